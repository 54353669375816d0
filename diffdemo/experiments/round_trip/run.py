"""There and back: noise a picture with many seeds, denoise, and judge what came back."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from diffdemo.diffusion import metrics
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.schedule import Schedule
from diffdemo.experiments.round_trip import RoundTrip
from diffdemo.lab import batches
from diffdemo.lab.batches import Call
from diffdemo.lab.prepare import Ready
from diffdemo.lab.progress import Progress
from diffdemo.lab.runner import Runner
from diffdemo.pictures.line_ups import Attributes

PREVIEW_CALLS = 4
PREVIEW_SEEDS = 8
FRAMES = 8  # states recorded along each path, evenly spaced, the last one included


@dataclass(frozen=True, eq=False)
class Path:
    """States recorded along the way down, P of them.

    Attributes:
        levels: (P, B) int64, at which x0_hat was predicted.
        x: (P, B, C, H, W), the state before that call, in model space.
        x0_hat: (P, B, C, H, W), the estimate, in pixels.
    """

    levels: Tensor
    x: Tensor
    x0_hat: Tensor


@dataclass(frozen=True, eq=False)
class RoundTripResult:
    """What a RoundTrip found, one row a seed.

    Clean pictures are in pixels, noisy ones in model space. Pictures are judged in model space,
    before they are decoded.

    Attributes:
        experiment: what was run, with the revision of the weights.
        x0: (1, C, H, W).
        x_n, reconstructions: (B, C, H, W).
        rmse: (B,) between picture and reconstruction, on the [-1, 1] scale.
        unrelated: the same between unrelated pictures.
        came_back: (B,) bool, as `Judge.came_back` says.
        line_up: name of the model's own line-up, "faces" or "digits"; None where it has none.
        foreign: whether the picture is of another kind than the line-up, which then does not
            judge what came back.
        kept: (B,) share of the visible attributes kept; None where nothing can be read.
        chance: the same for an unrelated picture; None where nothing can be read.
        attributes: how many attributes are visible; 0 where nothing can be read.
        original: attributes of the picture; None where nothing can be read.
        values: (B, A) int64, attributes read from each reconstruction, in the order of the
            line-up's names; None where nothing can be read.
        path: states along the way.
        seconds: how long it took.
    """

    experiment: RoundTrip
    x0: Tensor
    x_n: Tensor
    reconstructions: Tensor
    rmse: Tensor
    unrelated: float
    came_back: Tensor
    line_up: str | None
    foreign: bool
    kept: Tensor | None
    chance: float | None
    attributes: int
    original: Attributes | None
    values: Tensor | None
    path: Path
    seconds: float


def calls(e: RoundTrip, schedule: Schedule) -> int:
    """Count the network calls of a run, each for one picture."""
    return len(e.seeds) * min(e.n, e.steps)


def run(e: RoundTrip, ready: Ready) -> Iterator[Progress | RoundTripResult]:
    """Run it; yields Progress after each network call, and last the result."""
    began = time.monotonic()
    model = ready.model
    x_n = _noised(e, ready)
    x = x_n.clone()
    x0_hat = x_n.clone()
    recorder = _Recorder(min(e.n, e.steps), x_n)
    levels = torch.full((len(x),), e.n)
    options = {"eta": e.eta, "solver": e.solver, "spacing": e.spacing}
    for call in batches.denoise_rows(model, x_n, levels, e.seeds, e.steps, **options):
        recorder.record(call)
        x[call.rows] = call.step.x
        x0_hat[call.rows] = call.step.x0_hat
        seconds = time.monotonic() - began
        yield Progress(call.done, call.total, seconds, ready.x0, x_n, x0_hat.clone())
    yield _result(e, ready, x_n, x, recorder.path, began)


def _result(
    e: RoundTrip, ready: Ready, x_n: Tensor, x: Tensor, path: Path, began: float
) -> RoundTripResult:
    """Judge the pictures x, (B, C, H, W), that the paths ended at."""
    model = ready.model
    judge = ready.judge
    return RoundTripResult(
        experiment=e,
        x0=batches.pixels(model, ready.x0),
        x_n=x_n,
        reconstructions=batches.pixels(model, x),
        rmse=metrics.rmse(ready.x0, x),
        unrelated=judge.unrelated,
        came_back=judge.came_back(x),
        line_up=judge.line_up.name if judge.line_up else None,
        foreign=judge.foreign,
        kept=judge.kept(x),
        chance=judge.chance,
        attributes=judge.attributes,
        original=judge.original,
        values=judge.read(x),
        path=replace(path, x0_hat=batches.pixels(model, path.x0_hat)),
        seconds=time.monotonic() - began,
    )


def preview(ready: Ready, runner: Runner) -> Progress | None:
    """Estimate roughly where a round trip will end: the same x_n, denoised in PREVIEW_CALLS calls.

    Returns:
        A Progress whose x0_hat holds pictures for the first PREVIEW_SEEDS seeds, and x_n for the
        others; None where a preview is not worth its time.
    """
    began = time.monotonic()
    e = ready.experiment
    calls = min(e.n, e.steps)
    seeds = e.seeds[:PREVIEW_SEEDS]
    if calls < 3 * PREVIEW_CALLS or not runner.previews(ready, PREVIEW_CALLS * len(seeds)):
        return None
    x_n = _noised(e, ready)
    first = x_n[:PREVIEW_SEEDS]
    x = batches.draw(ready.model, first, e.n, seeds, PREVIEW_CALLS, solver="dpm++2m")
    x0_hat = torch.cat([x, x_n[PREVIEW_SEEDS:]])
    return Progress(0, calls, time.monotonic() - began, ready.x0, x_n, x0_hat)


def _noised(e: RoundTrip, ready: Ready) -> Tensor:
    """(B, C, H, W): the x_n of every seed."""
    eps = noise(e.seeds, ready.model.shape)
    return eps if e.start == "noise" else ready.model.schedule.add_noise(ready.x0, eps, e.n)


class _Recorder:
    """Records FRAMES states along the paths of all rows.

    Args:
        calls: network calls of each path.
        x_n: (B, C, H, W), where the paths begin.
    """

    def __init__(self, calls: int, x_n: Tensor):
        self.frames = sorted({round(k) for k in np.linspace(0, calls - 1, min(calls, FRAMES))})
        count = len(self.frames)
        levels = torch.zeros(count, len(x_n), dtype=torch.int64)
        self.path = Path(levels, torch.empty(count, *x_n.shape), torch.empty(count, *x_n.shape))

    def record(self, call: Call) -> None:
        """Record the state of one network call, if it belongs to a frame."""
        if call.index in self.frames:
            frame = self.frames.index(call.index)
            self.path.levels[frame, call.rows] = call.step.n
            self.path.x[frame, call.rows] = call.step.before
            self.path.x0_hat[frame, call.rows] = call.step.x0_hat
