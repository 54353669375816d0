"""How exact round trips from n = T are, by method and number of steps: what `python -m diffdemo exactness` prints as Markdown."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from diffdemo import metrics
from diffdemo.errors import ExperimentError
from diffdemo.fields import FIELDS
from diffdemo.inversion import ENCODERS, encode_steps, invert_steps, replay_steps
from diffdemo.lab import lane, picture
from diffdemo.models import Model

REFERENCE = 50  # steps at which the methods are compared
FITTED = (10, 500)  # steps between which the exponent is fitted
SEEDS = tuple(range(16))  # of the kept paths
GROUND = -1.0  # the value of a digit's flat ground
HEAD = "| steps | DDIM MSE, [0, 1] | DDIM RMSE, [-1, 1] | std of its x_T | fixed-point RMSE | largest error | network calls up | std of its x_T |"


@dataclass(frozen=True, eq=False)
class Trips:
    """Round trips of P pictures by one method with one number of steps.

    Attributes:
        codes: (P, C, H, W), the x_T that were found.
        back: (P, C, H, W), what they lead back to.
        calls: (P,) network calls on the way up.
    """

    codes: Tensor
    back: Tensor
    calls: Tensor


@dataclass(frozen=True, eq=False)
class Exactness:
    """What was measured.

    Attributes:
        pictures: their names. x0: (P, C, H, W).
        trips: (method, steps) → round trips by "ddim" and, where it was asked for, by "fixed-point".
        kept: encoder → largest error of a replay along a kept path, all SEEDS of the first picture.
        T: the level everything starts from. digits: the pictures are digits, with flat borders.
    """

    pictures: tuple[str, ...]
    x0: Tensor
    trips: dict[tuple[str, int], Trips]
    kept: dict[str, float]
    T: int
    digits: bool

    def rmse(self, method: str, steps: int) -> float:
        """The round-trip error on the [-1, 1] scale, mean over pictures."""
        return float(metrics.rmse(self.x0, self.trips[method, steps].back).mean())

    def mse(self, method: str, steps: int) -> float:
        """The mean square error on the [0, 1] scale, over all pixels of all pictures."""
        return float((self.x0 - self.trips[method, steps].back).square().mean() / 4)

    def largest(self, method: str, steps: int) -> float:
        """The error of the worst pixel, on the [-1, 1] scale."""
        return float((self.x0 - self.trips[method, steps].back).abs().max())

    def spread(self, method: str, steps: int) -> float:
        """The standard deviation over the pixels of a code, mean over pictures; 1 for true noise."""
        return float(self.trips[method, steps].codes.flatten(1).std(1).mean())

    def steps(self, method: str) -> list[int]:
        """The numbers of steps that were measured, rising."""
        return sorted(steps for name, steps in self.trips if name == method)

    @property
    def exponent(self) -> float | None:
        """p of DDIM's RMSE ~ steps^p, least squares in log-log over FITTED; None with fewer than two numbers of steps there."""
        some = [steps for steps in self.steps("ddim") if FITTED[0] <= steps <= FITTED[1]]
        return float(np.polyfit(np.log(some), np.log([self.rmse("ddim", steps) for steps in some]), 1)[0]) if len(some) > 1 else None

    @property
    def reference(self) -> int | None:
        """The number of steps at which the methods are compared: REFERENCE, or the largest that both have; None without."""
        both = self.steps("fixed-point")
        return REFERENCE if REFERENCE in both else max(both, default=None)


def parse_steps(text: str) -> tuple[int, ...]:
    """Numbers of steps from their written form, "10,20,50", rising and each once; nothing is none.

    Raises:
        ExperimentError: not of that form, or out of bounds.
    """
    return tuple(sorted({FIELDS["steps"].accept(part.strip()) for part in text.split(",")})) if text.strip() else ()


def measure(model: Model, pictures: Sequence[str], steps: Sequence[int], fixed_point: Sequence[int]) -> Iterator["int | Exactness"]:
    """Send pictures to n = T and back; yields 1 after every step and last what was found (see `count` for how many steps there are).

    Args:
        model: the network with its schedule.
        pictures: their names.
        steps: numbers of steps of DDIM, which is measured at those of the fixed point too.
        fixed_point: numbers of steps of fixed-point inversion.

    Raises:
        DiffdemoError: no pictures, nothing to measure, or a picture that is damaged or not at hand; raised before any work.

    References:
        Song et al., 2021, DDIM, table 2 (the same error on CIFAR-10), arXiv 2010.02502.
    """
    if not pictures or not (*steps, *fixed_point):
        raise ExperimentError("To measure how exact round trips are takes at least one picture and one number of steps.")
    return _measure(model, tuple(pictures), torch.cat([picture(name, model) for name in pictures]), _plan(steps, fixed_point))


def _measure(model: Model, pictures: tuple[str, ...], x0: Tensor, plan: list[tuple[str, int]]) -> Iterator["int | Exactness"]:
    trips, kept = {}, {}
    for method, k in plan:
        trips[method, k] = yield from _round_trips(model, x0, method, k)
    for encoder in ENCODERS:
        kept[encoder] = yield from _replays(model, x0[:1], encoder)
    yield Exactness(pictures, x0, trips, kept, model.schedule.T, model.line_up == "digits")


def count(model: Model, pictures: int, steps: Sequence[int], fixed_point: Sequence[int]) -> int:
    """How many steps `measure` makes, there and back; a fixed-point step asks the network several times and counts as one."""
    T = model.schedule.T
    trips = sum(2 * min(T, k) for _, k in _plan(steps, fixed_point)) * len(lane.chunks(model, pictures))
    return trips + len(ENCODERS) * 2 * min(T, REFERENCE) * len(lane.chunks(model, len(SEEDS)))


def _plan(steps: Sequence[int], fixed_point: Sequence[int]) -> list[tuple[str, int]]:
    return [("ddim", k) for k in sorted({*steps, *fixed_point})] + [("fixed-point", k) for k in sorted(set(fixed_point))]


def _round_trips(model: Model, x0: Tensor, method: str, steps: int) -> Generator[int, None, Trips]:
    x_T, calls, T = x0.clone(), torch.zeros(len(x0)), model.schedule.T
    for rows in lane.chunks(model, len(x0)):
        for step in lane.in_lane(model, invert_steps(model, x0[rows], T, steps, method)):
            x_T[rows], calls[rows] = step.x, calls[rows] + step.calls
            yield 1
    back = x_T.clone()
    for call in lane.denoise_rows(model, x_T, torch.full((len(x0),), T), [0] * len(x0), steps, clip=False):
        back[call.rows] = call.step.x
        yield 1
    return Trips(x_T, back, calls)


def _replays(model: Model, x0: Tensor, encoder: str) -> Generator[int, None, float]:
    """The largest error of a way back along the paths that one encoder keeps of a picture."""
    worst, T = 0.0, model.schedule.T
    for rows in lane.chunks(model, len(SEEDS)):
        walked = []
        for step in lane.in_lane(model, encode_steps(model, x0, T, REFERENCE, SEEDS[rows], encoder)):
            walked.append(step)
            yield 1
        for step in lane.in_lane(model, replay_steps(model, walked[0].before, torch.stack([one.z for one in walked]), T)):
            x = step.x
            yield 1
        worst = max(worst, float((x - x0).abs().max()))
    return worst


def report(found: Exactness) -> list[str]:
    """The table and what follows from it, as lines of Markdown."""
    rows = [f"| {' | '.join(_numbers(found, steps))} |" for steps in found.steps("ddim")]
    lines = [HEAD, "|" + "---|" * (HEAD.count("|") - 1), *rows, "", _comparison(found)]
    if found.digits and found.reference:
        lines.append(_borders(found, found.reference))
    named = ", ".join(f"{encoder} {error:.1e}" for encoder, error in found.kept.items())
    return [*lines, f"Kept paths, {REFERENCE} steps from n = {found.T}, {len(SEEDS)} seeds of {found.pictures[0][:40]}, largest error: {named}."]


def _numbers(found: Exactness, steps: int) -> list[str]:
    plain = [f"{steps}", f"{found.mse('ddim', steps):.1e}", f"{found.rmse('ddim', steps):.4f}", f"{found.spread('ddim', steps):.3f}"]
    if ("fixed-point", steps) not in found.trips:
        return [*plain, *["–"] * 4]
    calls = float(found.trips["fixed-point", steps].calls.mean())
    errors = f"{found.rmse('fixed-point', steps):.1e}", f"{found.largest('fixed-point', steps):.1e}"
    return [*plain, *errors, f"{calls:.0f}", f"{found.spread('fixed-point', steps):.3f}"]


def _comparison(found: Exactness) -> str:
    parts = []
    if steps := found.reference:
        ratio = found.rmse("ddim", steps) / max(found.rmse("fixed-point", steps), 1e-12)
        parts.append(f"At {steps} steps the RMSE of DDIM is {ratio:.1f} times that of the fixed point.")
    if found.exponent is not None:
        parts.append(f"The RMSE of DDIM goes as steps^{found.exponent:.2f} (least squares in log-log, {FITTED[0]} to {FITTED[1]} steps).")
    return " ".join(parts) or f"Over {len(found.pictures)} pictures."


def flat(x0: Tensor) -> Tensor:
    """(B, 1, H, W) bool: pixels that are ground, as all their neighbours in the picture are."""
    drawn = (x0 != GROUND).any(1, keepdim=True).to(x0.dtype)
    return max_pool2d(drawn, 3, stride=1, padding=1) == 0


def _borders(found: Exactness, steps: int) -> str:
    """What codes and round trips are like in flat pixels and in all others, over all pictures.

    References:
        Staniszewski et al., 2024, There and Back Again, section 3 (inverted noises vary too little in plain regions), arXiv 2410.23530.
    """
    ground, said = flat(found.x0).expand_as(found.x0), []
    for method, name in (("ddim", "DDIM"), ("fixed-point", "fixed point")):
        trips = found.trips[method, steps]
        std = [float(trips.codes[mask].std()) for mask in (ground, ~ground)]
        error = [float((trips.back - found.x0)[mask].square().mean().sqrt()) for mask in (ground, ~ground)]
        said.append(f"{name}: std of x_T {std[0]:.3f} against {std[1]:.3f}, RMSE {error[0]:.1e} against {error[1]:.1e}")
    return f"Flat borders against all other pixels, {steps} steps ({float(ground.float().mean()):.0%} of the pixels are flat): {'; '.join(said)}."
