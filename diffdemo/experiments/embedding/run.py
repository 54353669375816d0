"""Is x_T an embedding: five ways from a picture to an x_n, what each leads back to, and whether
it passes as noise.
"""

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from diffdemo.diffusion import metrics
from diffdemo.diffusion.gaussianity import bands, correlation, gaussianity, passes
from diffdemo.diffusion.inversion import METHODS, invert_steps, slerp
from diffdemo.diffusion.kept_paths import (
    ENCODERS,
    encode_steps,
    path_statistics,
    replay_steps,
)
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.schedule import Schedule
from diffdemo.experiments.embedding import Embedding
from diffdemo.experiments.embedding.results import Code, EmbeddingResult, Errors, Swap
from diffdemo.lab import batches
from diffdemo.lab.prepare import Ready, picture
from diffdemo.lab.progress import Progress

# Steps at which the round-trip error is measured, beside those of the experiment.
CURVE = {"ddim": (5, 10, 20, 50), "fixed-point": (10, 20)}
FIXED_POINT_CALLS = 12  # network calls of a fixed-point step, about
SHARES = tuple(k / 8 for k in range(9))  # of B's code in the mixtures with A's


def calls(e: Embedding, schedule: Schedule) -> int:
    """Count about the network calls of a run: codes up and down, the errors, and the swap test."""
    steps = min(e.n, e.steps)
    seeds = len(e.seeds)
    inversions = seeds if e.warm else 1
    costs = {
        "random": seeds * steps,
        "ddim": 2 * (inversions * steps + _curve_calls(e, "ddim")),
        "fixed-point": (FIXED_POINT_CALLS + 1)
        * (inversions * steps + _curve_calls(e, "fixed-point")),
        "edit-friendly": 2 * seeds * steps,
        "dpm-encoder": 2 * seeds * steps,
    }
    total = sum(costs[method] for method in e.methods)
    if e.other:
        total += steps * sum(method in e.methods for method in ENCODERS)
        total += steps * (1 + len(SHARES)) * ("ddim" in e.methods)
    return total


def _curve_calls(e: Embedding, method: str) -> int:
    return sum(min(e.n, steps) for steps in CURVE[method] if steps != e.steps)


def run(e: Embedding, ready: Ready) -> Iterator[Progress | EmbeddingResult]:
    """Run it; yields Progress after each network call, and last the result."""
    other = picture(e.other, ready.model) if e.other else None
    return _Run(e, ready, other).stream()


class _Run:
    """One run. Codes are found first; then all go down, those without a kept path in one batch.

    Args:
        e: the experiment.
        ready: its model and its picture, A.
        other: (1, C, H, W), picture B, or None.
    """

    def __init__(self, e: Embedding, ready: Ready, other: Tensor | None):
        self.e = e
        self.ready = ready
        self.model = ready.model
        self.x0 = ready.x0
        self.other = other
        self.began = time.monotonic()
        self.done = 0
        self.calls = min(e.n, e.steps)
        self.inversions = [method for method in METHODS if method in e.methods]
        self.encoders = [method for method in ENCODERS if method in e.methods]
        # With a warm start an inversion has a code for each seed, else one.
        self.inversion_seeds = e.seeds if e.warm else e.seeds[:1]
        self.steps = {method: self._steps(method) for method in self.inversions}
        self.x_n: dict[str, Tensor] = {}
        self.z: dict[str, Tensor] = {}
        self.calls_up: dict[str, Tensor] = {}  # of each row of an inversion
        self.residuals: dict[str, Tensor] = {}
        # Another seed than that of A's path, so that B's x_n differs in its noise too.
        self.swap_seed = e.seeds[0] - 1 if e.seeds[0] else 1

    def _steps(self, method: str) -> list[int]:
        """Return the steps of each row of an inversion: its codes first, then the error curve."""
        e = self.e
        curve = [steps for steps in CURVE[method] if e.warm or steps != e.steps]
        return [e.steps] * len(self.inversion_seeds) + curve

    def _total(self) -> int:
        """Count the network calls, as far as is known: a fixed-point step makes several."""
        n = self.e.n
        up = 0
        down = self.calls
        for method, steps in self.steps.items():
            longest = min(n, max(steps))
            up += longest * (FIXED_POINT_CALLS if method == "fixed-point" else 1)
            down = max(down, longest)
        parts = len(batches.batches(self.model, len(self.e.seeds)))
        return up + down + 2 * self.calls * len(self.encoders) * parts

    def stream(self) -> Iterator[Progress | EmbeddingResult]:
        """Find the codes, go back from each, and judge."""
        for method in self.inversions:
            yield from self._invert(method)
        for method in self.encoders:
            yield from self._encode(method)
        ways: dict[str, Tensor] = {}
        yield from self._denoise(ways)
        swapped: dict[str, Tensor] = {}
        for method in self.encoders:
            yield from self._replay(method, ways, swapped)
        yield self._result(ways, swapped)

    def _progress(self, x_n: Tensor, x0_hat: Tensor, calls: int = 1) -> Progress:
        total = self._total()
        self.done = min(self.done + calls, total)
        seconds = time.monotonic() - self.began
        return Progress(self.done, total, seconds, self.x0, x_n, x0_hat)

    def _invert(self, method: str) -> Iterator[Progress]:
        """Find the codes of A, those with other numbers of steps, and B's for the mixtures."""
        e = self.e
        steps = list(self.steps[method])
        rows = self.x0.repeat(len(steps), 1, 1, 1)
        if self.other is not None and method == "ddim":
            rows = torch.cat([rows, self.other])
            steps.append(e.steps)
        others = len(rows) - len(self.inversion_seeds)
        warm = [e.warm] * len(self.inversion_seeds) + [0.0] * others
        seeds = [*self.inversion_seeds, *[0] * others]
        x = rows.clone()
        calls = torch.zeros(len(rows))
        residuals = torch.zeros(len(rows))
        for part in batches.batches(self.model, len(rows)):
            loop = invert_steps(
                self.model, rows[part], e.n, steps[part], method, warm[part], seeds[part]
            )
            for step in batches.on_worker(self.model, loop):
                x[part] = step.x
                calls[part] += step.calls
                residuals[part] = residuals[part].maximum(step.residual)
                most = max(1, int(step.calls.max()))  # a warm start's jump counts as one
                yield self._progress(rows, x.clone(), most)
        self.x_n[method] = x
        self.calls_up[method] = calls
        self.residuals[method] = residuals

    def _encode(self, method: str) -> Iterator[Progress]:
        """Find the kept paths of A, one a seed."""
        e = self.e
        starts = []
        paths = []
        for part in batches.batches(self.model, len(e.seeds)):
            walked = []
            loop = encode_steps(self.model, self.x0, e.n, e.steps, e.seeds[part], method)
            for step in batches.on_worker(self.model, loop):
                walked.append(step)
                yield self._progress(step.before, step.x)
            starts.append(walked[0].before)
            paths.append(torch.stack([step.z for step in walked]))
        self.x_n[method] = torch.cat(starts)
        self.z[method] = torch.cat(paths, 1)

    def _denoise(self, ways: dict[str, Tensor]) -> Iterator[Progress]:
        """Go back from all codes without a kept path, and fill `ways` by name."""
        plan = self._without_path()
        x = torch.cat([codes for codes, _ in plan.values()])
        steps = [count for _, counts in plan.values() for count in counts]
        back = x.clone()
        x0_hat = x.clone()
        n = torch.full((len(x),), self.e.n)
        for call in batches.denoise_rows(self.model, x, n, [0] * len(x), steps, clip=False):
            back[call.rows] = call.step.x
            x0_hat[call.rows] = call.step.x0_hat
            yield self._progress(x, x0_hat.clone())
        parts = back.split([len(codes) for codes, _ in plan.values()])
        ways.update(zip(plan, parts, strict=True))

    def _without_path(self) -> dict[str, tuple[Tensor, list[int]]]:
        """Return name → codes and their steps, of all codes without a kept path."""
        e = self.e
        plan = {}
        if "random" in e.methods:
            eps = noise(e.seeds, self.model.shape)
            self.x_n["random"] = self.model.schedule.add_noise(self.x0, eps, e.n)
            plan["random"] = (self.x_n["random"], [e.steps] * len(e.seeds))
        for method in self.inversions:
            steps = self.steps[method]
            plan[method] = (self.x_n[method][: len(steps)], steps)
        if self.other is not None and "ddim" in self.inversions:
            a = self.x_n["ddim"][:1]
            b = self.x_n["ddim"][-1:]
            mixtures = torch.cat([slerp(a, b, share) for share in SHARES])
            plan["mixtures"] = (mixtures, [e.steps] * len(SHARES))
        return plan or {"none": (self.x0[:0], [])}

    def _replay(
        self, method: str, ways: dict[str, Tensor], swapped: dict[str, Tensor]
    ) -> Iterator[Progress]:
        """Go back along A's kept paths, and last along the first of them from B's x_n."""
        x_n = self.x_n[method]
        z = self.z[method]
        if self.other is not None:
            eps = noise((self.swap_seed,), self.model.shape)
            b = self.model.schedule.add_noise(self.other, eps, self.e.n)
            x_n = torch.cat([x_n, b])
            z = torch.cat([z, z[:, :1]], 1)
        found = []
        for part in batches.batches(self.model, len(x_n)):
            loop = replay_steps(self.model, x_n[part], z[:, part], self.e.n)
            for step in batches.on_worker(self.model, loop):
                x = step.x
                yield self._progress(step.before, step.x)
            found.append(x)
        seeds = len(self.e.seeds)
        ways[method], swapped[method] = torch.cat(found).tensor_split([seeds])

    def _result(self, ways: dict[str, Tensor], swapped: dict[str, Tensor]) -> EmbeddingResult:
        e = self.e
        codes = {method: self._code(method, ways[method]) for method in e.methods}
        own = None
        if "random" in codes:
            x_n = self.x_n["random"].flatten(1).double()
            own = correlation(x_n, ways["random"].flatten(1).double())
        paths = {
            method: path_statistics(self.model.schedule, self.z[method], e.n)
            for method in self.encoders
            if len(self.z[method]) > 2
        }
        return EmbeddingResult(
            experiment=e,
            x0=batches.pixels(self.model, self.x0),
            codes=codes,
            bands=bands(self.model.shape),
            own=own,
            errors_by_steps={m: self._errors(m, ways[m]) for m in self.inversions},
            paths=paths,
            swap=self._swap(ways, swapped),
            seconds=time.monotonic() - self.began,
        )

    def _errors(self, method: str, back: Tensor) -> Errors:
        """Return steps, rising, and the error with each; a warm code is no point of this curve."""
        rmse = metrics.rmse(self.x0, back).tolist()
        found = dict(zip(self.steps[method], rmse, strict=True))
        if self.e.warm and self.e.steps not in CURVE[method]:
            del found[self.e.steps]
        steps = sorted(found)
        return tuple(steps), tuple(found[count] for count in steps)

    def _code(self, method: str, back: Tensor) -> Code:
        inverted = method in self.inversions
        rows = len(self.inversion_seeds if inverted else self.e.seeds)
        x_n = self.x_n[method][:rows]
        back = back[:rows]
        up = 0.0
        if inverted:
            up = float(self.calls_up[method][:rows].mean())
        elif method in self.encoders:
            up = float(self.calls)
        fixed_point = method == "fixed-point"
        statistics = gaussianity(x_n, self.x0)
        return Code(
            method=method,
            x_n=x_n,
            z=self.z.get(method),
            reconstructions=batches.pixels(self.model, back),
            rmse=metrics.rmse(self.x0, back),
            largest=(back - self.x0).abs().amax((1, 2, 3)),
            came_back=self.ready.judge.came_back(back),
            calls=up + self.calls,
            residual=float(self.residuals[method][:rows].max()) if fixed_point else None,
            statistics=statistics,
            gaussian=passes(statistics, self.model.shape),
        )

    def _swap(self, ways: dict[str, Tensor], swapped: dict[str, Tensor]) -> Swap | None:
        other = self.other
        if other is None:
            return None
        mixtures = ways.get("mixtures", self.x0[:0])
        return Swap(
            other=batches.pixels(self.model, other),
            seed=self.swap_seed,
            replays={method: batches.pixels(self.model, x) for method, x in swapped.items()},
            to_a={method: float(metrics.rmse(self.x0, x)) for method, x in swapped.items()},
            to_b={method: float(metrics.rmse(other, x)) for method, x in swapped.items()},
            shares=SHARES,
            mixtures=batches.pixels(self.model, mixtures),
        )
