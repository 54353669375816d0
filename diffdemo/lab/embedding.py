"""Is x_T an embedding: five ways from one picture to an x_n, what each leads back to, and whether it passes as noise."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from diffdemo import metrics
from diffdemo.experiment import Embedding
from diffdemo.inversion import ENCODERS, METHODS, PathStatistics, encode_steps, invert_steps, path_statistics, replay_steps, slerp
from diffdemo.lab import lane
from diffdemo.lab.progress import Progress
from diffdemo.lab.subject import Judge, picture
from diffdemo.models import Model
from diffdemo.noise import Band, bands, correlation, gaussianity, noise, passes
from diffdemo.schedule import Schedule

CURVE = {"ddim": (5, 10, 20, 50), "fixed-point": (10, 20)}  # steps at which the round-trip error is measured, beside those asked for
FEW = 12  # network calls of a fixed-point step, about
MIX = tuple(k / 8 for k in range(9))  # shares of B between the two codes


@dataclass(frozen=True, eq=False)
class Code:
    """What one method found; B rows, one a seed, or a single one where nothing is drawn.

    Attributes:
        method: "random", "ddim", "fixed-point", "edit-friendly" or "dpm-encoder".
        x_n: (B, C, H, W), the code, in model space.
        z: (K, B, C, H, W), the path that is kept with it; None where the code is all there is.
        reconstructions: (B, C, H, W), what it leads back to, in pixels.
        rmse, largest: (B,) round-trip error over all values in model space, and in the worst one; pixels are on the [-1, 1] scale.
        came_back: (B,) bool, the original is the nearest to the reconstruction among itself and the line-up.
        calls: network calls of a row, there and back.
        residual: largest pixel change of a last fixed-point iteration; None where nothing is iterated.
        statistics: (B,) float64 by name, see `noise.gaussianity`. gaussian: (B,) bool, all of them pass as those of noise.
    """

    method: str
    x_n: Tensor
    z: Tensor | None
    reconstructions: Tensor
    rmse: Tensor
    largest: Tensor
    came_back: Tensor
    calls: float
    residual: float | None
    statistics: dict[str, Tensor]
    gaussian: Tensor


@dataclass(frozen=True, eq=False)
class Swap:
    """What the codes of two pictures carry; all pictures in pixels, compared in model space before they are decoded.

    Attributes:
        other: (1, C, H, W), picture B. seed: of the noise in its x_n.
        replays: method → (1, C, H, W), what A's kept path makes of B's x_n.
        to_a, to_b: method → RMSE of it to A and to B, on the [-1, 1] scale.
        shares: of B in the mixtures; mixtures: (M, C, H, W), what spherical mixtures of the two DDIM codes lead to.
    """

    other: Tensor
    seed: int
    replays: dict[str, Tensor]
    to_a: dict[str, float]
    to_b: dict[str, float]
    shares: tuple[float, ...]
    mixtures: Tensor


@dataclass(frozen=True, eq=False)
class EmbeddingResult:
    """What an Embedding found. Clean pictures are in pixels, codes in model space, where all is judged before it is decoded.

    Attributes:
        experiment: what was run, with the revision of the weights that ran it.
        x0: (1, C, H, W). codes: by method, in the order of the experiment.
        bands: by statistic, where those of true noise lie.
        own: (B,) correlation of each random x_n with the picture that it leads to itself; None without random codes.
        errors_by_steps: "ddim" and "fixed-point" → (steps, RMSE of the round trip with that many steps).
        paths: statistics of the z of each encoder.
        swap: what the codes carry; None without a second picture.
        seconds: how long it took.
    """

    experiment: Embedding
    x0: Tensor
    codes: dict[str, Code]
    bands: dict[str, Band]
    own: Tensor | None
    errors_by_steps: dict[str, tuple[tuple[int, ...], tuple[float, ...]]]
    paths: dict[str, PathStatistics]
    swap: Swap | None
    seconds: float

    @property
    def x_n(self) -> dict[str, Tensor]:
        """The codes by method, (B, C, H, W)."""
        return {method: code.x_n for method, code in self.codes.items()}

    @property
    def z(self) -> dict[str, Tensor]:
        """The kept paths of the methods that have them, (K, B, C, H, W)."""
        return {method: code.z for method, code in self.codes.items() if code.z is not None}

    @property
    def reconstructions(self) -> dict[str, Tensor]:
        """What the codes lead back to by method, (B, C, H, W)."""
        return {method: code.reconstructions for method, code in self.codes.items()}

    @property
    def errors(self) -> dict[str, tuple[Tensor, Tensor]]:
        """RMSE and largest error of the round trip by method, (B,) each."""
        return {method: (code.rmse, code.largest) for method, code in self.codes.items()}

    @property
    def statistics(self) -> dict[str, dict[str, Tensor]]:
        """The statistics of the codes by method."""
        return {method: code.statistics for method, code in self.codes.items()}


def embedding(e: Embedding, model: Model, x0: Tensor) -> Iterator[Progress | EmbeddingResult]:
    """Run it; yields Progress after every network call (fixed-point steps make several) and last the result."""
    return _Run(e, model, x0, picture(e.other, model) if e.other else None).stream()


def embedding_calls(e: Embedding, schedule: Schedule) -> int:
    """About the network calls of a run, each for one picture: up and down for every code, the curve of errors, and the swap test."""
    calls, seeds = min(e.n, e.steps), len(e.seeds)
    curve = {method: sum(min(e.n, k) for k in steps if k != e.steps) for method, steps in CURVE.items()}
    once = (len(e.seeds) if e.warm else 1) * calls
    costs = {
        "random": seeds * calls, "ddim": 2 * (once + curve["ddim"]), "fixed-point": (FEW + 1) * (once + curve["fixed-point"]),
        "edit-friendly": 2 * seeds * calls, "dpm-encoder": 2 * seeds * calls,
    }  # fmt: skip
    kept = sum(method in e.methods for method in ("edit-friendly", "dpm-encoder"))
    swap = (kept + ("ddim" in e.methods) * (1 + len(MIX))) * calls if e.other else 0
    return sum(costs[method] for method in e.methods) + swap


@dataclass(eq=False)
class _Run:
    """One run: codes are found first, then all of them go down, those without a kept path in one batch."""

    e: Embedding
    model: Model
    x0: Tensor
    other: Tensor | None
    began: float = field(default_factory=time.monotonic)
    done: int = 0

    def __post_init__(self) -> None:
        e = self.e
        self.calls = min(e.n, e.steps)
        self.inversions = tuple(m for m in METHODS if m in e.methods)
        self.encoders = tuple(m for m in ENCODERS if m in e.methods)
        self.warm_seeds = e.seeds if e.warm else e.seeds[:1]
        self.steps = {m: (*[e.steps] * len(self.warm_seeds), *(k for k in CURVE[m] if e.warm or k != e.steps)) for m in self.inversions}
        self.x_n: dict[str, Tensor] = {}
        self.up: dict[str, tuple[Tensor, Tensor]] = {}  # method → calls and largest residual of each row
        self.z: dict[str, Tensor] = {}

    @property
    def total(self) -> int:
        """Network calls there and back, as far as is known: a fixed-point step makes some FEW of them."""
        longest = {method: min(self.e.n, max(steps)) for method, steps in self.steps.items()}
        up = sum(count * (FEW if method == "fixed-point" else 1) for method, count in longest.items())
        parts = len(lane.chunks(self.model, len(self.e.seeds)))
        return up + max([self.calls, *longest.values()]) + 2 * self.calls * len(self.encoders) * parts

    def stream(self) -> Iterator[Progress | EmbeddingResult]:
        for method in self.inversions:
            yield from self._invert(method)
        for method in self.encoders:
            yield from self._encode(method)
        plan = self._plan()
        x, steps = torch.cat([x for x, _ in plan.values()]), [k for _, ks in plan.values() for k in ks]
        back, x0_hat = x.clone(), x.clone()
        for call in lane.denoise_rows(self.model, x, torch.full((len(x),), self.e.n), [0] * len(x), steps, clip=False):
            back[call.rows], x0_hat[call.rows] = call.step.x, call.step.x0_hat
            yield self._progress(x, x0_hat.clone())
        ways = dict(zip(plan, back.split([len(rows) for rows, _ in plan.values()]), strict=True))
        swapped: dict[str, Tensor] = {}
        for method in self.encoders:
            found: list[Tensor] = []
            yield from self._replay(method, found)
            ways[method], swapped[method] = torch.cat(found).split([len(self.e.seeds), len(torch.cat(found)) - len(self.e.seeds)])
        yield self._result(ways, swapped)

    def _progress(self, x_n: Tensor, x0_hat: Tensor, calls: int = 1) -> Progress:
        self.done = min(self.done + calls, self.total)
        return Progress(self.done, self.total, time.monotonic() - self.began, self.x0, x_n, x0_hat)

    def _invert(self, method: str) -> Iterator[Progress]:
        """The code of the picture (one a seed with a warm start), those with other numbers of steps, and B's for the mixtures."""
        e, own = self.e, len(self.warm_seeds)
        steps, rows = list(self.steps[method]), self.x0.repeat(len(self.steps[method]), 1, 1, 1)
        if self.other is not None and method == "ddim":
            rows, steps = torch.cat([rows, self.other]), [*steps, e.steps]
        warm = [e.warm] * own + [0.0] * (len(rows) - own)
        seeds = [*self.warm_seeds, *[0] * (len(rows) - own)]
        calls, residual, x = torch.zeros(len(rows)), torch.zeros(len(rows)), rows.clone()
        for part in lane.chunks(self.model, len(rows)):
            for step in lane.in_lane(self.model, invert_steps(self.model, rows[part], e.n, steps[part], method, warm[part], seeds[part])):
                x[part], calls[part], residual[part] = step.x, calls[part] + step.calls, residual[part].maximum(step.residual)
                yield self._progress(rows, x.clone(), max(1, int(step.calls.max())))  # a warm start's jump counts as one
        self.x_n[method], self.up[method] = x, (calls, residual)

    def _encode(self, method: str) -> Iterator[Progress]:
        """The kept paths of the picture, all seeds."""
        starts, paths, e = [], [], self.e
        for rows in lane.chunks(self.model, len(e.seeds)):
            walked = []
            for step in lane.in_lane(self.model, encode_steps(self.model, self.x0, e.n, e.steps, e.seeds[rows], method)):
                walked.append(step)
                yield self._progress(step.before, step.x)
            starts.append(walked[0].before)
            paths.append(torch.stack([step.z for step in walked]))
        self.x_n[method], self.z[method] = torch.cat(starts), torch.cat(paths, 1)

    def _plan(self) -> dict[str, tuple[Tensor, list[int]]]:
        """What goes down without a kept path: name → codes and their steps."""
        e, plan = self.e, {}
        if "random" in e.methods:
            self.x_n["random"] = self.model.schedule.add_noise(self.x0, noise(e.seeds, self.model.shape), e.n)
            plan["random"] = (self.x_n["random"], [e.steps] * len(e.seeds))
        for method in self.inversions:
            plan[method] = (self.x_n[method][: len(self.steps[method])], list(self.steps[method]))
        if self.other is not None and "ddim" in self.inversions:
            a, b = self.x_n["ddim"][:1], self.x_n["ddim"][-1:]
            plan["mix"] = (torch.cat([slerp(a, b, share) for share in MIX]), [e.steps] * len(MIX))
        return plan or {"none": (self.x0[:0], [])}

    def _replay(self, method: str, found: list[Tensor]) -> Iterator[Progress]:
        """The way back of an encoder's codes, and last that of B's x_n along A's path, if there is a B."""
        x_n, z = self.x_n[method], self.z[method]
        if self.other is not None:
            b = self.model.schedule.add_noise(self.other, noise((self._swap_seed,), self.model.shape), self.e.n)
            x_n, z = torch.cat([x_n, b]), torch.cat([z, z[:, :1]], 1)
        for rows in lane.chunks(self.model, len(x_n)):
            for step in lane.in_lane(self.model, replay_steps(self.model, x_n[rows], z[:, rows], self.e.n)):
                x = step.x
                yield self._progress(step.before, step.x)
            found.append(x)

    @property
    def _swap_seed(self) -> int:
        """Another seed than that of A's path, so that B's x_n is not A's but for the picture in it."""
        return self.e.seeds[0] - 1 if self.e.seeds[0] else 1

    def _result(self, ways: dict[str, Tensor], swapped: dict[str, Tensor]) -> EmbeddingResult:
        e, judge = self.e, Judge.of(self.e.picture, self.model, self.x0)
        codes = {method: self._code(method, ways[method], judge) for method in e.methods}
        errors = {m: self._errors(m, ways[m]) for m in self.inversions}
        return EmbeddingResult(
            experiment=e, x0=lane.pixels(self.model, self.x0), codes=codes, bands=bands(self.model.shape),
            own=correlation(*(x.flatten(1).double() for x in (self.x_n["random"], ways["random"]))) if "random" in codes else None,
            errors_by_steps=errors, paths={m: path_statistics(self.model.schedule, self.z[m], e.n) for m in self.encoders if len(self.z[m]) > 2},
            swap=self._swap(ways, swapped), seconds=time.monotonic() - self.began,
        )  # fmt: skip

    def _errors(self, method: str, back: Tensor) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Steps, rising, and the round-trip error with each; a warm code is no point of this curve."""
        found = dict(zip(self.steps[method], metrics.rmse(self.x0, back).tolist(), strict=True))
        if self.e.warm and self.e.steps not in CURVE[method]:
            del found[self.e.steps]
        return tuple(sorted(found)), tuple(found[k] for k in sorted(found))

    def _code(self, method: str, back: Tensor, judge: Judge) -> Code:
        rows = len(self.warm_seeds) if method in self.inversions else len(self.e.seeds)
        x_n, back = self.x_n[method][:rows], back[:rows]
        up, residual = self.up.get(method, (torch.full((rows,), float(self.calls if method in self.encoders else 0)), None))
        statistics = gaussianity(x_n, self.x0)
        return Code(
            method=method, x_n=x_n, z=self.z.get(method), reconstructions=lane.pixels(self.model, back), rmse=metrics.rmse(self.x0, back),
            largest=(back - self.x0).abs().amax((1, 2, 3)), came_back=judge.came_back(back), calls=float(up[:rows].mean()) + self.calls,
            residual=float(residual[:rows].max()) if method == "fixed-point" and residual is not None else None,
            statistics=statistics, gaussian=passes(statistics, self.model.shape),
        )  # fmt: skip

    def _swap(self, ways: dict[str, Tensor], swapped: dict[str, Tensor]) -> Swap | None:
        if self.other is None:
            return None
        to_a, to_b = ({m: float(metrics.rmse(target, x)) for m, x in swapped.items()} for target in (self.x0, self.other))
        other, mixtures = (lane.pixels(self.model, x) for x in (self.other, ways.get("mix", self.x0[:0])))
        replays = {method: lane.pixels(self.model, x) for method, x in swapped.items()}
        return Swap(other, self._swap_seed, replays, to_a, to_b, MIX, mixtures)
