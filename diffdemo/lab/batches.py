"""Network calls for any number of rows, in batches of a constant size.

Each call is made by the one worker thread of the device. So runs share the device in the order of
their calls, a cancelled run frees it after the call under way, and memory limits never change a
picture. A result that is not finite is refused at once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from diffdemo.diffusion.grids import Steps
from diffdemo.diffusion.sampling import Step, denoise_steps, walk
from diffdemo.diffusion.schedule import Levels
from diffdemo.errors import ModelError
from diffdemo.lab import worker
from diffdemo.models import Model

ROWS = 64  # rows of one network call at most
PIXELS = 2**16  # rows times pixels of one network call at most


class HasState(Protocol):
    """A step of a loop, with the state x, (B, C, H, W), that it ended in."""

    @property
    def x(self) -> Tensor:
        """The state."""


Item = TypeVar("Item", bound=HasState)


@dataclass(frozen=True)
class Call:
    """One network call among those that a number of rows need.

    Attributes:
        done, total: calls made and needed in all.
        index: of this call within its batch.
        rows: the rows it worked on.
        step: what it gave.
    """

    done: int
    total: int
    index: int
    rows: slice
    step: Step


def batch_size(model: Model) -> int:
    """Rows of one network call: constant for a model. Latents count as their pictures do."""
    _, height, width = model.picture_shape
    return max(1, min(ROWS, PIXELS // (height * width)))


def batches(model: Model, count: int) -> list[slice]:
    """Divide the rows 0 .. count - 1 into batches."""
    size = batch_size(model)
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def denoise_rows(
    model: Model, x_n: Tensor, n: Tensor, seeds: Sequence[int], steps: Steps, **options: Any
) -> Iterator[Call]:
    """Denoise every row from its own level; yields after every network call.

    Args:
        model: the network with its schedule.
        x_n: (B, C, H, W).
        n: (B,) int64, 0..T.
        seeds: (B,), one a row.
        steps: network calls of a row at most, one for all or (B,).
        options: eta, solver, spacing and clip, as in `sampling.denoise_steps`.
    """
    per_row = [steps] * len(x_n) if isinstance(steps, int) else list(steps)
    calls = n.minimum(torch.tensor(per_row, dtype=torch.int64))
    counts = [int(calls[rows].max()) for rows in batches(model, len(x_n))]

    def start(rows: slice) -> Iterator[Step]:
        batch = (x_n[rows], n[rows], per_row[rows])
        return denoise_steps(model, *batch, seeds=seeds[rows], **options)

    return _in_batches(model, x_n, counts, start)


def walk_rows(
    model: Model, x: Tensor, levels: Tensor, seeds: Sequence[int], eta: float
) -> Iterator[Call]:
    """Follow any levels, (B, K + 1), as `sampling.walk`; yields after every network call."""

    def start(rows: slice) -> Iterator[Step]:
        return walk(model, x[rows], levels[rows], eta, seeds[rows])

    return _in_batches(model, x, walk_calls(model, levels), start)


def walk_calls(model: Model, levels: Tensor) -> list[int]:
    """Count the network calls that each batch of rows makes to follow its levels."""
    moves = levels.diff(dim=1) < 0
    return [int(moves[rows].any(0).sum()) for rows in batches(model, len(levels))]


def _in_batches(
    model: Model, x: Tensor, counts: list[int], start: Callable[[slice], Iterator[Step]]
) -> Iterator[Call]:
    """Run one batch after the other; `counts` are the calls that each makes."""
    done = 0
    for rows in batches(model, len(x)):
        for index, step in enumerate(on_worker(model, start(rows))):
            done += 1
            yield Call(done, sum(counts), index, rows, step)


def on_worker(model: Model, loop: Iterator[Item]) -> Iterator[Item]:
    """Yield the items of a loop that calls the network; each is computed on the worker thread.

    Raises:
        ModelError: the network gave something that is not finite, or does not answer.
    """
    while True:
        item = worker.call(model, lambda: next(loop, None))
        if item is None:
            return
        _check_finite(model, item.x)
        yield item


def _check_finite(model: Model, x: Tensor) -> Tensor:
    if not x.isfinite().all():
        cause = "its weights or its precision are not right"
        raise ModelError(
            f"The model {model.name} gave numbers that are not finite, "
            f"so nothing is shown; {cause}."
        )
    return x


def estimate(model: Model, x_n: Tensor, n: Tensor) -> Tensor:
    """Return x0_hat, the network's one-step estimate of the clean picture, (B, C, H, W).

    Args:
        model: the network with its schedule.
        x_n: (B, C, H, W); rows at n = 0 are returned as they are.
        n: (B,) int64, 0..T.
    """
    found = x_n.clone()
    noisy = (n > 0).nonzero().flatten()
    for batch in batches(model, len(noisy)):
        rows = noisy[batch]
        eps_hat = worker.call(model, partial(model.predict_noise, x_n[rows], n[rows]))
        _check_finite(model, eps_hat)
        found[rows] = model.schedule.x0_from_eps(x_n[rows], eps_hat, n[rows])
    return found


def pixels(model: Model, x: Tensor) -> Tensor:
    """Decode model space to pixels, (…, C, H, W), batch by batch.

    Where the network works on pixels, this returns the same tensor.
    """
    if model.kind == "pixel" or not x.numel():
        return model.pixels(x)
    rows = x.reshape(-1, *model.shape)
    parts = []
    for batch in batches(model, len(rows)):
        parts.append(worker.call(model, partial(model.pixels, rows[batch])))
    decoded = _check_finite(model, torch.cat(parts))
    return decoded.view(*x.shape[:-3], *model.picture_shape)


@torch.no_grad()
def draw(
    model: Model, x_n: Tensor, n: Levels, seeds: Sequence[int], steps: int, **options: Any
) -> Tensor:
    """Return the pictures that `denoise_rows` ends with, (B, C, H, W)."""
    x = x_n.clone()
    levels = model.schedule.levels(n, len(x_n))
    for call in denoise_rows(model, x_n, levels, seeds, steps, **options):
        x[call.rows] = call.step.x
    return x
