"""How exact round trips from n = T are, by method and number of steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from diffdemo.diffusion import metrics
from diffdemo.diffusion.inversion import invert_steps
from diffdemo.diffusion.kept_paths import ENCODERS, encode_steps, replay_steps
from diffdemo.errors import ExperimentError
from diffdemo.lab import batches, fields
from diffdemo.lab.prepare import picture
from diffdemo.models import Model
from diffdemo.report.markdown import table

REFERENCE = 50  # steps at which the methods are compared
FITTED = (10, 500)  # steps between which the exponent is fitted
SEEDS = tuple(range(16))  # of the kept paths
GROUND = -1.0  # the value of a digit's flat ground
COLUMNS = (
    "steps",
    "DDIM MSE, [0, 1]",
    "DDIM RMSE, [-1, 1]",
    "std of its x_T",
    "fixed-point RMSE",
    "largest error",
    "network calls up",
    "std of its x_T",
)


@dataclass(frozen=True, eq=False)
class Trips:
    """Round trips of P pictures by one method with one number of steps.

    Attributes:
        x0: (P, C, H, W), the pictures.
        codes: (P, C, H, W), the x_T that were found.
        back: (P, C, H, W), the pictures that they lead back to.
        calls: (P,) network calls on the way up.
    """

    x0: Tensor
    codes: Tensor
    back: Tensor
    calls: Tensor

    @property
    def rmse(self) -> float:
        """The error on the [-1, 1] scale, mean over pictures."""
        return float(metrics.rmse(self.x0, self.back).mean())

    @property
    def mse(self) -> float:
        """The mean square error on the [0, 1] scale, over all pixels of all pictures."""
        return float((self.x0 - self.back).square().mean() / 4)

    @property
    def largest(self) -> float:
        """The error of the worst pixel, on the [-1, 1] scale."""
        return float((self.x0 - self.back).abs().max())

    @property
    def spread(self) -> float:
        """The standard deviation of a code's pixels, mean over pictures; 1 for true noise."""
        return float(self.codes.flatten(1).std(1).mean())


@dataclass(frozen=True, eq=False)
class Exactness:
    """What was measured.

    Attributes:
        pictures: their names.
        T: the level from which everything leads back.
        ddim, fixed_point: number of steps, rising → round trips by that method.
        replays: encoder → largest error of a replay along a kept path of the first picture,
            over all SEEDS.
        digits: whether the pictures are digits, with flat borders.
    """

    pictures: tuple[str, ...]
    T: int
    ddim: dict[int, Trips]
    fixed_point: dict[int, Trips]
    replays: dict[str, float]
    digits: bool

    @property
    def exponent(self) -> float | None:
        """p of DDIM's RMSE ~ steps^p, least squares in log-log over FITTED.

        None with fewer than two numbers of steps there.
        """
        fitted = {k: trips.rmse for k, trips in self.ddim.items() if FITTED[0] <= k <= FITTED[1]}
        if len(fitted) < 2:
            return None
        return float(np.polyfit(np.log(list(fitted)), np.log(list(fitted.values())), 1)[0])

    @property
    def reference(self) -> int | None:
        """REFERENCE, or the largest number of steps that both methods have; None without."""
        return REFERENCE if REFERENCE in self.fixed_point else max(self.fixed_point, default=None)


def parse_steps(text: str) -> tuple[int, ...]:
    """Read numbers of steps, as "10,20,50"; they come back rising, each once.

    Raises:
        ExperimentError: not of that form, or out of bounds.
    """
    parts = text.split(",") if text.strip() else []
    return tuple(sorted({fields.STEPS.accept(part.strip()) for part in parts}))


class Plan:
    """Which pictures go to n = T and back, and how; checked before any work.

    Args:
        model: the network with its schedule.
        pictures: their names.
        steps: numbers of steps of DDIM, which is measured at those of the fixed point too.
        fixed_point: numbers of steps of fixed-point inversion.

    Raises:
        DiffdemoError: no pictures, nothing to measure, or a picture that is damaged or not at
            hand.
    """

    def __init__(
        self,
        model: Model,
        pictures: Sequence[str],
        steps: Sequence[int],
        fixed_point: Sequence[int],
    ):
        ddim = [("ddim", k) for k in sorted({*steps, *fixed_point})]
        self.trips = ddim + [("fixed-point", k) for k in sorted(set(fixed_point))]
        if not pictures or not self.trips:
            needed = "at least one picture and one number of steps"
            raise ExperimentError(f"To measure how exact round trips are takes {needed}.")
        self.model = model
        self.pictures = tuple(pictures)
        self.x0 = torch.cat([picture(name, model) for name in pictures])

    @property
    def steps(self) -> int:
        """Steps there and back, batch by batch; one of the fixed point counts as one."""
        T = self.model.schedule.T
        trips = sum(2 * min(T, k) for _, k in self.trips)
        replays = len(ENCODERS) * 2 * min(T, REFERENCE)
        picture_batches = len(batches.batches(self.model, len(self.x0)))
        return trips * picture_batches + replays * len(batches.batches(self.model, len(SEEDS)))


def measure(plan: Plan, step_done: Callable[[], object]) -> Exactness:
    """Send pictures to n = T and back; calls `step_done` after every step.

    References:
        Song et al., 2021, DDIM, table 2 (the same error on CIFAR-10), arXiv 2010.02502.
    """
    model = plan.model
    trips: dict[str, dict[int, Trips]] = {"ddim": {}, "fixed-point": {}}
    for method, steps in plan.trips:
        trips[method][steps] = _round_trips(model, plan.x0, method, steps, step_done)
    replays = {encoder: _replay(model, plan.x0[:1], encoder, step_done) for encoder in ENCODERS}
    return Exactness(
        pictures=plan.pictures,
        T=model.schedule.T,
        ddim=trips["ddim"],
        fixed_point=trips["fixed-point"],
        replays=replays,
        digits=model.line_up == "digits",
    )


def _round_trips(
    model: Model, x0: Tensor, method: str, steps: int, step_done: Callable[[], object]
) -> Trips:
    T = model.schedule.T
    x_T = x0.clone()
    calls = torch.zeros(len(x0))
    for rows in batches.batches(model, len(x0)):
        up = invert_steps(model, x0[rows], T, steps, method)
        for step in batches.on_worker(model, up):
            x_T[rows] = step.x
            calls[rows] += step.calls
            step_done()
    back = x_T.clone()
    levels = torch.full((len(x0),), T)
    seeds = [0] * len(x0)
    for call in batches.denoise_rows(model, x_T, levels, seeds, steps, clip=False):
        back[call.rows] = call.step.x
        step_done()
    return Trips(x0, x_T, back, calls)


def _replay(model: Model, x0: Tensor, encoder: str, step_done: Callable[[], object]) -> float:
    """Return the largest error of a replay along the paths that an encoder records."""
    T = model.schedule.T
    worst = 0.0
    for rows in batches.batches(model, len(SEEDS)):
        path = []
        up = encode_steps(model, x0, T, REFERENCE, SEEDS[rows], encoder)
        for step in batches.on_worker(model, up):
            path.append(step)
            step_done()
        z = torch.stack([step.z for step in path])
        x = path[0].before
        for down in batches.on_worker(model, replay_steps(model, x, z, T)):
            x = down.x
            step_done()
        worst = max(worst, float((x - x0).abs().max()))
    return worst


def report(found: Exactness) -> list[str]:
    """Write the table, and what follows from it, as Markdown."""
    rows = [_row(steps, ddim, found.fixed_point.get(steps)) for steps, ddim in found.ddim.items()]
    lines = [*table(COLUMNS, rows), "", _comparison(found)]
    if found.digits and found.reference:
        lines.append(_borders(found, found.reference))
    errors = ", ".join(f"{encoder} {error:.1e}" for encoder, error in found.replays.items())
    paths = f"{REFERENCE} steps from n = {found.T}, {len(SEEDS)} seeds of {found.pictures[0][:40]}"
    return [*lines, f"Kept paths, {paths}, largest error: {errors}."]


def _row(steps: int, ddim: Trips, fixed: Trips | None) -> list[str]:
    row = [f"{steps}", f"{ddim.mse:.1e}", f"{ddim.rmse:.4f}", f"{ddim.spread:.3f}"]
    if fixed is None:
        return row + ["–"] * 4
    calls = float(fixed.calls.mean())
    return [
        *row,
        f"{fixed.rmse:.1e}",
        f"{fixed.largest:.1e}",
        f"{calls:.0f}",
        f"{fixed.spread:.3f}",
    ]


def _comparison(found: Exactness) -> str:
    sentences = []
    if steps := found.reference:
        ratio = found.ddim[steps].rmse / max(found.fixed_point[steps].rmse, 1e-12)
        times = f"{ratio:.1f} times that of the fixed point"
        sentences.append(f"At {steps} steps the RMSE of DDIM is {times}.")
    if found.exponent is not None:
        fit = f"least squares in log-log, {FITTED[0]} to {FITTED[1]} steps"
        sentences.append(f"The RMSE of DDIM goes as steps^{found.exponent:.2f} ({fit}).")
    return " ".join(sentences) or f"Over {len(found.pictures)} pictures."


def flat(x0: Tensor) -> Tensor:
    """Find the pixels that are ground, as all their neighbours are: (B, 1, H, W) bool."""
    drawn = (x0 != GROUND).any(1, keepdim=True).to(x0.dtype)
    return max_pool2d(drawn, 3, stride=1, padding=1) == 0


def _borders(found: Exactness, steps: int) -> str:
    """Compare codes and errors in flat pixels with those in all others, over all pictures.

    References:
        Staniszewski et al., 2024, There and Back Again, section 3 (inverted noises vary too
        little in plain regions), arXiv 2410.23530.
    """
    ground = flat(found.ddim[steps].x0).expand_as(found.ddim[steps].x0)
    parts = []
    for name, method in (("DDIM", found.ddim), ("fixed point", found.fixed_point)):
        trips = method[steps]
        square = (trips.back - trips.x0).square()
        std = [float(trips.codes[mask].std()) for mask in (ground, ~ground)]
        error = [float(square[mask].mean().sqrt()) for mask in (ground, ~ground)]
        spread = f"std of x_T {std[0]:.3f} against {std[1]:.3f}"
        parts.append(f"{name}: {spread}, RMSE {error[0]:.1e} against {error[1]:.1e}")
    share = f"{steps} steps ({float(ground.float().mean()):.0%} of the pixels are flat)"
    return f"Flat borders against all other pixels, {share}: {'; '.join(parts)}."
