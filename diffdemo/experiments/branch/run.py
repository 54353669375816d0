"""Where paths split: one ancestral path down from x_T, and futures that leave it on the way."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from diffdemo.diffusion import metrics
from diffdemo.diffusion.grids import grid, pad_rows, with_jumps
from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.schedule import Schedule
from diffdemo.experiments.branch import Branch
from diffdemo.lab import batches
from diffdemo.lab.batches import Call
from diffdemo.lab.prepare import Ready
from diffdemo.lab.progress import Progress

FRAMES = 5  # states recorded along each future, evenly spaced over its network calls


@dataclass(frozen=True, eq=False)
class Path:
    """The path that the futures leave: its P branching points and its end.

    Attributes:
        levels: (P,) int64, falling.
        x: (P, C, H, W), the state at each, in model space.
        x0_hat: (P, C, H, W), the network's one-step estimate there, in pixels.
        end: (1, C, H, W), the picture that the path leads to, in pixels.
    """

    levels: Tensor
    x: Tensor
    x0_hat: Tensor
    end: Tensor


@dataclass(frozen=True, eq=False)
class Frames:
    """States recorded along each future, R = FRAMES of them; few network calls repeat some.

    Attributes:
        levels: (R, P, F) int64, at which x0_hat was predicted.
        x: (R, P, F, C, H, W), the state before that call, in model space.
        x0_hat: (R, P, F, C, H, W), the estimate, in pixels.
    """

    levels: Tensor
    x: Tensor
    x0_hat: Tensor


@dataclass(frozen=True, eq=False)
class BranchResult:
    """What a Branch found: P points by F futures.

    Clean pictures are in pixels. They are compared in model space, before they are decoded.

    Attributes:
        experiment: what was run, with the revision of the weights.
        x0: (1, C, H, W), the picture whose x_T the path begins at.
        left: the share of its amplitude that is left in x_T, sqrt(alpha_bar_T).
        path: the path that the futures leave.
        futures: (P, F, C, H, W), the pictures they end at.
        seeds: (F,), of their fresh noise, the same at every point.
        diversity: (P,) float64, mean RMSE between two futures, on the [-1, 1] scale.
        unrelated: the same between unrelated pictures.
        kept: (P,) float64, mean share of the attributes that two futures have in common; None
            where nothing can be read.
        chance: the same for two unrelated pictures.
        attributes: how many are read; 0 where nothing can be read.
        frames: states along the futures.
        calls: network calls of the path itself.
        seconds: how long it took.
    """

    experiment: Branch
    x0: Tensor
    left: float
    path: Path
    futures: Tensor
    seeds: tuple[int, ...]
    diversity: Tensor
    unrelated: float
    kept: Tensor | None
    chance: float | None
    attributes: int
    frames: Frames
    calls: int
    seconds: float


class Plan:
    """The levels of the path, and of the way down from each branching point.

    Args:
        e: what to run.
        schedule: that of its model.

    Attributes:
        points: P falling levels, from T down, at which futures leave the path.
        ways: the levels visited from each point to 0; the first are those of the path.
    """

    def __init__(self, e: Branch, schedule: Schedule):
        levels = grid(schedule, schedule.T, e.steps)
        places = sorted({round(k) for k in np.linspace(0, len(levels) - 2, e.points)})
        self.points = [levels[place] for place in places]
        self.ways = [with_jumps(levels[place:], e.jump) for place in places]
        self.futures = e.futures

    @cached_property
    def arrivals(self) -> list[int]:
        """The level that each network call of the path leads to."""
        return [lower for upper, lower in pairwise(self.ways[0]) if lower < upper]

    @cached_property
    def rows(self) -> Tensor:
        """(P F, K + 1) int64, the levels of every future, point by point."""
        return pad_rows([way for way in self.ways for _ in range(self.futures)])


def calls(e: Branch, schedule: Schedule) -> int:
    """Count the network calls of a run, each for one picture.

    They are those of the path, of its futures, and one for the estimate at each point.
    """
    plan = Plan(e, schedule)
    moves = int((plan.rows.diff(dim=1) < 0).sum())
    return len(plan.arrivals) + moves + len(plan.points)


def run(e: Branch, ready: Ready) -> Iterator[Progress | BranchResult]:
    """Run it; yields Progress after each network call, and last the result.

    The path comes first, then all futures together.
    """
    began = time.monotonic()
    model = ready.model
    plan = Plan(e, model.schedule)
    path = yield from _path(e, ready, plan, began)
    futures, frames = yield from _futures(e, ready, plan, path, began)
    judge = ready.judge
    line_up = judge.line_up
    diversity = [metrics.unrelated_rmse(some) for some in futures]
    kept = [line_up.attributes_shared(some) for some in futures] if line_up else None
    yield BranchResult(
        experiment=e,
        x0=batches.pixels(model, ready.x0),
        left=float(model.schedule.alpha_bar[-1]) ** 0.5,
        path=path,
        futures=batches.pixels(model, futures),
        seeds=_seeds(e),
        diversity=torch.tensor(diversity, dtype=torch.float64),
        unrelated=judge.unrelated,
        kept=None if kept is None else torch.tensor(kept, dtype=torch.float64),
        chance=line_up.shared_by_chance if line_up else None,
        attributes=len(line_up.attributes) if line_up else 0,
        frames=frames,
        calls=len(plan.arrivals),
        seconds=time.monotonic() - began,
    )


def _seeds(e: Branch) -> tuple[int, ...]:
    """Return the seeds of the futures' fresh noise."""
    return tuple(range(e.seed + 1, e.seed + 1 + e.futures))


def _path(e: Branch, ready: Ready, plan: Plan, began: float) -> Generator[Progress, None, Path]:
    """Follow the path from x_T to its end; returns it."""
    model = ready.model
    T = model.schedule.T
    x_T = model.schedule.add_noise(ready.x0, noise((e.seed,), model.shape), T)
    total = len(plan.arrivals) + sum(batches.walk_calls(model, plan.rows))
    x = x_T
    states = {T: x_T}  # by level, at the first arrival there
    steps = batches.walk_rows(model, x_T, torch.tensor([plan.ways[0]]), (e.seed,), eta=1.0)
    for call, level in zip(steps, plan.arrivals, strict=True):
        x = call.step.x
        states.setdefault(level, x)
        seconds = time.monotonic() - began
        yield Progress(call.done, total, seconds, ready.x0, x_T, call.step.x0_hat)
    levels = torch.tensor(plan.points)
    points = torch.cat([states[level] for level in plan.points])
    x0_hat = batches.estimate(model, points, levels)
    return Path(levels, points, batches.pixels(model, x0_hat), batches.pixels(model, x))


def _futures(
    e: Branch, ready: Ready, plan: Plan, path: Path, began: float
) -> Generator[Progress, None, tuple[Tensor, Frames]]:
    """Follow all futures; returns their ends, (P, F, C, H, W) in model space, and frames."""
    model = ready.model
    start = path.x.repeat_interleave(e.futures, 0)
    x = start.clone()
    x0_hat = start.clone()
    recorder = _Recorder(plan.rows, start)
    before = len(plan.arrivals)
    seeds = _seeds(e) * len(plan.points)
    for call in batches.walk_rows(model, start, plan.rows, seeds, eta=1.0):
        x[call.rows] = call.step.x
        x0_hat[call.rows] = call.step.x0_hat
        recorder.record(call)
        seconds = time.monotonic() - began
        done = before + call.done
        yield Progress(done, before + call.total, seconds, ready.x0, start, x0_hat.clone())
    shape = (len(plan.points), e.futures)
    frames = Frames(
        recorder.levels.view(FRAMES, *shape),
        recorder.x.view(FRAMES, *shape, *model.shape),
        batches.pixels(model, recorder.x0_hat).view(FRAMES, *shape, *model.picture_shape),
    )
    return x.view(*shape, *model.shape), frames


class _Recorder:
    """Records FRAMES states along each row's own way, whatever the other rows do meanwhile.

    Args:
        levels: (B, K + 1) int64, the levels of each row.
        start: (B, C, H, W), where the rows begin.
    """

    def __init__(self, levels: Tensor, start: Tensor):
        self.moves = levels.diff(dim=1) < 0
        index = self.moves.cumsum(1) - 1  # (B, K), of a call among those of its row
        last = self.moves.sum(1, keepdim=True) - 1
        wanted = (torch.linspace(0, 1, FRAMES) * last).round().long()  # (B, FRAMES) calls
        frames = [index == wanted[:, frame : frame + 1] for frame in range(FRAMES)]
        self.recorded = [frame & self.moves for frame in frames]  # (B, K) bool each
        self.levels = torch.zeros(FRAMES, len(levels), dtype=torch.int64)
        self.x = start.repeat(FRAMES, 1, 1, 1, 1)
        self.x0_hat = start.repeat(FRAMES, 1, 1, 1, 1)

    def record(self, call: Call) -> None:
        """Record the states of one network call that belong to a frame."""
        column = self.moves[call.rows].any(0).nonzero().flatten()[call.index]
        for frame, recorded in enumerate(self.recorded):
            here = recorded[call.rows, column].nonzero().flatten()
            rows = here + call.rows.start
            self.levels[frame, rows] = call.step.n[here]
            self.x[frame, rows] = call.step.before[here]
            self.x0_hat[frame, rows] = call.step.x0_hat[here]
