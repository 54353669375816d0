"""There and back: noise a picture with many seeds, denoise, and judge what came back."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from diffdemo import metrics
from diffdemo.experiment import RoundTrip
from diffdemo.lab import lane
from diffdemo.lab.progress import Progress
from diffdemo.lab.subject import Judge
from diffdemo.models import Model
from diffdemo.noise import noise
from diffdemo.schedule import Schedule

PREVIEW_CALLS, PREVIEW_SEEDS = 4, 8  # of a preview
FRAMES = 8  # states kept along each path, evenly spaced over the calls, the last one included


@dataclass(frozen=True, eq=False)
class Path:
    """States kept along the way down, P of them: levels (P, B) at which x0_hat was predicted, x before that call and x0_hat, both (P, B, C, H, W).

    x is in model space, x0_hat in pixels.
    """

    levels: Tensor
    x: Tensor
    x0_hat: Tensor


@dataclass(frozen=True, eq=False)
class RoundTripResult:
    """What a RoundTrip found. Clean pictures are in pixels, noisy ones in model space, where everything is judged too, before it is decoded.

    Attributes:
        experiment: what was run, with the revision of the weights that ran it.
        x0: (1, C, H, W). x_n, reconstructions: (B, C, H, W), one row a seed.
        rmse: (B,) between picture and reconstruction, on the [-1, 1] scale; unrelated: the same between unrelated pictures.
        came_back: (B,) bool, the original is the nearest to the reconstruction among itself and the line-up.
        kept: (B,) share of the attributes kept, over those that show in the picture; None where nothing can be read.
        attributes: how many that is; 0 without.
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
    kept: Tensor | None
    attributes: int
    path: Path
    seconds: float


def round_trip(e: RoundTrip, model: Model, x0: Tensor) -> Iterator[Progress | RoundTripResult]:
    """Run it; yields Progress after every network call and last the result."""
    began = time.monotonic()
    x_n = _start(e, model, x0)
    x0_hat, x = x_n.clone(), x_n.clone()
    calls = min(e.n, e.steps)
    frames = sorted({round(k) for k in np.linspace(0, calls - 1, min(calls, FRAMES))})
    path = Path(torch.zeros(len(frames), len(x), dtype=torch.int64), *(torch.empty(2, len(frames), *x.shape)))
    levels = torch.full((len(x),), e.n)
    for call in lane.denoise_rows(model, x_n, levels, e.seeds, e.steps, eta=e.eta, solver=e.solver, spacing=e.spacing):
        rows, step = call.rows, call.step
        if call.index in frames:
            frame = frames.index(call.index)
            path.levels[frame, rows], path.x[frame, rows], path.x0_hat[frame, rows] = step.n, step.before, step.x0_hat
        x[rows], x0_hat[rows] = step.x, step.x0_hat
        yield Progress(call.done, call.total, time.monotonic() - began, x0, x_n, x0_hat.clone())
    judge = Judge.of(e.picture, model, x0)
    kept, back, rmse = judge.kept(x), judge.came_back(x), metrics.rmse(x0, x)
    x0, x, path = lane.pixels(model, x0), lane.pixels(model, x), replace(path, x0_hat=lane.pixels(model, path.x0_hat))
    seconds = time.monotonic() - began
    yield RoundTripResult(e, x0, x_n, x, rmse, judge.unrelated, back, kept, judge.attributes, path, seconds)


def round_trip_calls(e: RoundTrip, schedule: Schedule) -> int:
    """Network calls of a run, each for one picture."""
    return len(e.seeds) * min(e.n, e.steps)


def preview(e: RoundTrip, model: Model, x0: Tensor) -> Progress:
    """Roughly where a round trip will end, for its first PREVIEW_SEEDS seeds: the same x_n, denoised in PREVIEW_CALLS network calls."""
    began, x_n = time.monotonic(), _start(e, model, x0)
    some = slice(PREVIEW_SEEDS)
    early = lane.draw(model, x_n[some], e.n, e.seeds[some], PREVIEW_CALLS, solver="dpm++2m")
    return Progress(0, min(e.n, e.steps), time.monotonic() - began, x0, x_n, torch.cat([early, x_n[PREVIEW_SEEDS:]]))


def _start(e: RoundTrip, model: Model, x0: Tensor) -> Tensor:
    """(B, C, H, W): the x_n of every seed."""
    eps = noise(e.seeds, model.shape)
    return eps if e.start == "noise" else model.schedule.add_noise(x0, eps, e.n)
