"""Network calls, one at a time: any number of rows in chunks of a constant size, each call made by the device's one worker.

Runs so share the device in the order of their calls, a cancelled run frees it after the call under way, and memory limits never change a
picture. What is not finite is refused at once: nothing that follows from it could be shown.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from diffdemo.errors import ModelError
from diffdemo.lab import worker
from diffdemo.models import Model
from diffdemo.sampling import Step, denoise_steps, walk
from diffdemo.schedule import Levels, Steps

CHUNK = 64  # rows in one network call at most; fewer for large pictures
PIXELS = 2**16  # rows times pixels in one network call at most
Item = TypeVar("Item")


@dataclass(frozen=True)
class Call:
    """One network call among those that a number of rows need.

    Attributes:
        done, total: calls made and needed in all.
        index: of this call within its chunk.
        rows: which rows it worked on.
        step: what it gave.
    """

    done: int
    total: int
    index: int
    rows: slice
    step: Step


def chunk_size(model: Model) -> int:
    """Rows in one network call: constant for a model, whatever is asked. Latents count as the pictures that they stand for."""
    _, height, width = model.picture_shape
    return max(1, min(CHUNK, PIXELS // (height * width)))


def chunks(model: Model, count: int) -> list[slice]:
    """The rows 0..count - 1 in chunks of constant size."""
    size = chunk_size(model)
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def denoise_rows(model: Model, x_n: Tensor, n: Tensor, seeds: Sequence[int], steps: Steps, **options: Any) -> Iterator[Call]:
    """Denoise every row from its own level; yields after every network call.

    Args:
        model: the network with its schedule.
        x_n: (B, C, H, W).
        n: (B,) int64, 0..T.
        seeds: (B,), one a row.
        steps: network calls of a row at most, one for all or (B,).
        options: eta, solver and spacing, as in `sampling.denoise_steps`.
    """
    per_row = [steps] * len(x_n) if isinstance(steps, int) else list(steps)
    calls = n.minimum(torch.tensor(per_row, dtype=torch.int64))
    counts = [int(calls[rows].max()) for rows in chunks(model, len(x_n))]
    return _in_chunks(model, x_n, counts, lambda rows: denoise_steps(model, x_n[rows], n[rows], per_row[rows], seeds=seeds[rows], **options))


def walk_rows(model: Model, x: Tensor, levels: Tensor, seeds: Sequence[int], eta: float) -> Iterator[Call]:
    """Follow any levels, (B, K + 1), as `sampling.walk` does; yields after every network call."""
    return _in_chunks(model, x, walk_calls(model, levels), lambda rows: walk(model, x[rows], levels[rows], eta, seeds[rows]))


def walk_calls(model: Model, levels: Tensor) -> list[int]:
    """The network calls that each chunk of rows makes to follow its levels."""
    moves = levels.diff(dim=1) < 0
    return [int(moves[rows].any(0).sum()) for rows in chunks(model, len(levels))]


def _in_chunks(model: Model, x: Tensor, counts: list[int], start: Callable[[slice], Iterator[Step]]) -> Iterator[Call]:
    """The loops that `start` begins, one chunk of rows after the other; `counts` are the calls that each makes."""
    for part, rows in enumerate(chunks(model, len(x))):
        for index, step in enumerate(in_lane(model, start(rows))):
            yield Call(sum(counts[:part]) + index + 1, sum(counts), index, rows, step)


def in_lane(model: Model, loop: Iterator[Item]) -> Iterator[Item]:
    """The same items, steps of a loop that asks the model's network; each is made in the lane.

    Args:
        model: whose network is asked.
        loop: yields steps, whose x is (B, C, H, W).

    Raises:
        ModelError: the network gave something that is not finite, or does not answer.
    """
    while True:
        item: Any = worker.call(model, lambda: next(loop, None))
        if item is None:
            return
        _check(model, item.x)
        yield item


def _check(model: Model, x: Tensor) -> Tensor:
    """The same tensor, every number of it finite."""
    if not x.isfinite().all():
        raise ModelError(f"The model {model.name} gave numbers that are not finite, so nothing is shown; its weights or its precision are not right.")
    return x


def estimate(model: Model, x_n: Tensor, n: Tensor) -> Tensor:
    """x0_hat, the network's one-step estimate of the clean picture, (B, C, H, W); rows at n = 0 are returned as they are.

    Args:
        model: the network with its schedule.
        x_n: (B, C, H, W).
        n: (B,) int64, 0..T.
    """
    found = x_n.clone()
    some = (n > 0).nonzero().flatten()
    for rows in chunks(model, len(some)):
        chosen = some[rows]
        eps_hat = worker.call(model, partial(model.predict_noise, x_n[chosen], n[chosen]))
        found[chosen] = model.schedule.x0_from_eps(x_n[chosen], _check(model, eps_hat), n[chosen])
    return found


def pixels(model: Model, x: Tensor) -> Tensor:
    """Model space → pictures in pixels, (…, C, H, W), decoded chunk by chunk; the very same tensor where the network works on pictures."""
    if model.kind == "pixel" or not x.numel():
        return model.pixels(x)
    rows = x.reshape(-1, *model.shape)
    parts = [worker.call(model, partial(model.pixels, rows[some])) for some in chunks(model, len(rows))]
    return _check(model, torch.cat(parts)).view(*x.shape[:-3], *model.picture_shape)


@torch.no_grad()
def draw(model: Model, x_n: Tensor, n: Levels, seeds: Sequence[int], steps: int, **options: Any) -> Tensor:
    """The pictures that `denoise_rows` ends with, (B, C, H, W); all rows from one level n, or each from its own, (B,)."""
    x = x_n.clone()
    for call in denoise_rows(model, x_n, model.schedule.levels(n, len(x_n)), seeds, steps, **options):
        x[call.rows] = call.step.x
    return x
