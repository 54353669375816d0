"""Where paths split: one ancestral path down from x_T, and futures that leave it at points along the way."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from diffdemo import metrics
from diffdemo.experiment import Branch
from diffdemo.lab import lane
from diffdemo.lab.progress import Progress
from diffdemo.lab.subject import Judge
from diffdemo.models import Model
from diffdemo.noise import noise
from diffdemo.schedule import Schedule, filled, grid, with_jumps

FRAMES = 5  # states kept along each future, evenly spaced over its network calls


@dataclass(frozen=True, eq=False)
class Trunk:
    """The path that the futures leave: its P branching points and its end.

    Attributes:
        levels: (P,) int64, falling.
        x: (P, C, H, W), the state at each; x0_hat: (P, C, H, W), the network's one-step estimate there, in pixels.
        end: (1, C, H, W), the picture the path itself leads to, in pixels.
    """

    levels: Tensor
    x: Tensor
    x0_hat: Tensor
    end: Tensor


@dataclass(frozen=True, eq=False)
class Frames:
    """States kept along each future, R = FRAMES of them; a future with fewer network calls repeats some.

    Attributes:
        levels: (R, P, F) int64, at which x0_hat was predicted.
        x, x0_hat: (R, P, F, C, H, W), the state before that call, and its estimate, in pixels.
    """

    levels: Tensor
    x: Tensor
    x0_hat: Tensor


@dataclass(frozen=True, eq=False)
class BranchResult:
    """What a Branch found: P points by F futures. Clean pictures are in pixels; they are compared in model space, before they are decoded.

    Attributes:
        experiment: what was run, with the revision of the weights that ran it.
        x0: (1, C, H, W), the picture whose x_T the path begins at.
        path: the path itself.
        futures: (P, F, C, H, W). seeds: (F,), of their fresh noise, the same at every point.
        diversity: (P,) mean RMSE between two futures, on the [-1, 1] scale; unrelated: the same between unrelated pictures.
        kept: (P,) share of the attributes that two futures have in common, on average; None where nothing can be read.
        chance: the same for two unrelated pictures. attributes: how many are read; 0 without.
        frames: states along the way.
        calls: network calls of the path itself.
        seconds: how long it took.
    """

    experiment: Branch
    x0: Tensor
    path: Trunk
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


def branch(e: Branch, model: Model, x0: Tensor) -> Iterator[Progress | BranchResult]:
    """Run it; yields Progress after every network call and last the result. The path comes first, then all futures in one batch."""
    began = time.monotonic()
    levels, places, ways = plan(e, model.schedule)
    rows = filled([way for way in ways for _ in range(e.futures)])
    ahead = sum(lane.walk_calls(model, rows))
    states, x = {0: model.schedule.add_noise(x0, noise((e.seed,), model.shape), levels[0])}, x0
    for call, arrived in zip(_trunk(e, model, states[0], ways[0]), arrivals(ways[0]), strict=True):
        x = call.step.x
        states.setdefault(levels.index(arrived), x)
        yield Progress(call.done, call.total + ahead, time.monotonic() - began, x0, states[0], call.step.x0_hat)
    calls, seeds = call.total, tuple(range(e.seed + 1, e.seed + 1 + e.futures))
    points = torch.cat([states[place] for place in places])
    at = torch.tensor([levels[place] for place in places])
    trunk = Trunk(at, points, lane.estimate(model, points, at), x)
    shape = (len(places), e.futures)
    start = points.repeat_interleave(e.futures, 0)
    futures, x0_hat, frames = start.clone(), start.clone(), _Recorder(rows, start)
    for call in lane.walk_rows(model, start, rows, seeds * len(places), 1.0):
        futures[call.rows], x0_hat[call.rows] = call.step.x, call.step.x0_hat
        frames.keep(call)
        yield Progress(calls + call.done, calls + call.total, time.monotonic() - began, x0, start, x0_hat.clone())
    yield _result(e, model, x0, trunk, futures.view(*shape, *model.shape), seeds, frames.frames(shape), calls, began)


def branch_calls(e: Branch, schedule: Schedule) -> int:
    """Network calls of a run, each for one picture: the path, its futures, and the guess at each point."""
    _, places, ways = plan(e, schedule)
    calls = [len(arrivals(way)) for way in ways]
    return calls[0] + e.futures * sum(calls) + len(places)


def plan(e: Branch, schedule: Schedule) -> tuple[list[int], list[int], list[list[int]]]:
    """The levels of the path, the places among them where it branches, and the levels of the way down from each."""
    levels = grid(schedule, schedule.T, e.steps)
    places = sorted({round(k) for k in np.linspace(0, len(levels) - 2, e.points)})
    return levels, places, [with_jumps(levels[place:], e.jump) for place in places]


def _trunk(e: Branch, model: Model, x_T: Tensor, way: list[int]) -> Iterator[lane.Call]:
    return lane.walk_rows(model, x_T, torch.tensor([way]), (e.seed,), 1.0)


def arrivals(way: list[int]) -> list[int]:
    """The level that each network call leads to."""
    return [lower for upper, lower in pairwise(way) if lower < upper]


class _Recorder:
    """Keeps FRAMES states along each row's own way, whatever the other rows do at the same time."""

    def __init__(self, levels: Tensor, start: Tensor):
        self.moves = levels.diff(dim=1) < 0
        own, calls = self.moves.cumsum(1) - 1, self.moves.sum(1, keepdim=True)
        wanted = (torch.linspace(0, 1, FRAMES) * (calls - 1)).round().long()  # (B, FRAMES): which of its calls each row keeps
        self.slots = [(own == wanted[:, k : k + 1]) & self.moves for k in range(FRAMES)]
        self.levels = torch.zeros(FRAMES, len(levels), dtype=torch.int64)
        self.x, self.x0_hat = start.repeat(FRAMES, 1, 1, 1, 1), start.repeat(FRAMES, 1, 1, 1, 1)

    def keep(self, call: lane.Call) -> None:
        """Take what belongs to a frame from one network call."""
        column = self.moves[call.rows].any(0).nonzero().flatten()[call.index]
        for frame, slots in enumerate(self.slots):
            here = slots[call.rows, column].nonzero().flatten()
            rows = here + call.rows.start
            self.levels[frame, rows] = call.step.n[here]
            self.x[frame, rows], self.x0_hat[frame, rows] = call.step.before[here], call.step.x0_hat[here]

    def frames(self, shape: tuple[int, int]) -> Frames:
        """All that was kept, by point and future."""
        parts = (part.view(FRAMES, *shape, *part.shape[2:]) for part in (self.levels, self.x, self.x0_hat))
        return Frames(*parts)


def _result(
    e: Branch, model: Model, x0: Tensor, trunk: Trunk, futures: Tensor, seeds: tuple[int, ...], frames: Frames, calls: int, began: float
) -> BranchResult:
    judge = Judge.of(e.picture, model, x0)
    diversity, line_up = torch.tensor([metrics.unrelated_rmse(some) for some in futures], dtype=torch.float64), judge.line_up
    kept = torch.tensor([line_up.alike(some) for some in futures], dtype=torch.float64) if line_up else None
    chance, attributes = (line_up.alike_by_chance, len(line_up.attributes)) if line_up else (None, 0)
    trunk = replace(trunk, x0_hat=lane.pixels(model, trunk.x0_hat), end=lane.pixels(model, trunk.end))
    frames = replace(frames, x0_hat=lane.pixels(model, frames.x0_hat))
    return BranchResult(
        experiment=e, x0=lane.pixels(model, x0), path=trunk, futures=lane.pixels(model, futures), seeds=seeds, diversity=diversity,
        unrelated=judge.unrelated, kept=kept, chance=chance, attributes=attributes, frames=frames, calls=calls, seconds=time.monotonic() - began,
    )  # fmt: skip
