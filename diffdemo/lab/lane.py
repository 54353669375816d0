"""Network calls, one at a time: any number of rows in chunks of a constant size, each call under one lock.

Runs so share the device fairly, a cancelled run frees it after the call under way, and memory limits never change a picture.
No lock is held across a yield.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from diffdemo.models import Model
from diffdemo.sampling import Step, denoise_steps

CHUNK = 64  # rows in one network call at most; fewer for large pictures
PIXELS = 2**16  # rows times pixels in one network call at most
_lock = threading.Lock()


@dataclass(frozen=True)
class Call:
    """One network call among those that a number of rows need.

    Attributes:
        done, total: calls made and needed in all.
        index: of this call within its chunk.
        rows: which rows it worked on.
        before: their states before it.
        step: what it gave.
    """

    done: int
    total: int
    index: int
    rows: slice
    before: Tensor
    step: Step


def chunk_size(model: Model) -> int:
    """Rows in one network call: constant for a model, whatever is asked."""
    _, height, width = model.shape
    return max(1, min(CHUNK, PIXELS // (height * width)))


def chunks(model: Model, count: int) -> list[slice]:
    """The rows 0..count - 1 in chunks of constant size."""
    size = chunk_size(model)
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def denoise_rows(model: Model, x_n: Tensor, n: Tensor, seeds: Sequence[int], steps: int, **options: Any) -> Iterator[Call]:
    """Denoise every row from its own level; yields after every network call.

    Args:
        model: the network with its schedule.
        x_n: (B, C, H, W).
        n: (B,) int64, 0..T.
        seeds: (B,), one a row.
        steps: network calls of a row at most.
        options: eta, solver and spacing, as in `sampling.denoise_steps`.
    """
    parts = chunks(model, len(x_n))
    calls = [int(n[rows].clamp(max=steps).max()) for rows in parts]
    for part, rows in enumerate(parts):
        x = x_n[rows]
        for index, step in enumerate(in_lane(denoise_steps(model, x, n[rows], steps, seeds=seeds[rows], **options))):
            yield Call(sum(calls[:part]) + index + 1, sum(calls), index, rows, x, step)
            x = step.x


def in_lane(loop: Iterator[Step]) -> Iterator[Step]:
    """The same steps, each network call under the lane's lock."""
    while True:
        with _lock:
            step = next(loop, None)
        if step is None:
            return
        yield step


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
        with _lock:
            eps_hat = model.predict_noise(x_n[chosen], n[chosen])
        found[chosen] = model.schedule.x0_from_eps(x_n[chosen], eps_hat, n[chosen])
    return found


@torch.no_grad()
def draw(model: Model, x_n: Tensor, n: int, seeds: Sequence[int], steps: int, **options: Any) -> Tensor:
    """The pictures that `denoise_rows` ends with, (B, C, H, W); all rows from one level."""
    x = x_n.clone()
    for call in denoise_rows(model, x_n, torch.full((len(x_n),), n), seeds, steps, **options):
        x[call.rows] = call.step.x
    return x
