"""What all training runs share: where a run stands, how its learning rate falls, and the order in which a data set is seen."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

DATA = Path(".training/mnist")  # where the MNIST files are looked for


@dataclass(frozen=True)
class Report:
    """Where training stands: steps taken, pictures seen, seconds spent, share of the time, running mean of the loss."""

    step: int
    pictures: int
    seconds: float
    share: float
    loss: float


def rate(peak: float, warm_up: int, step: int, share: float) -> float:
    """The learning rate: linear up to its peak over `warm_up` steps, times a half cosine that falls from 1 to 0 over the share of the time."""
    return peak * min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * share))


def shuffled(count: int, first: int, size: int) -> np.ndarray:
    """Places first .. first + size - 1 of an endless row of epochs over `count` items, each epoch in its own random order: (size,) int64."""
    places = np.arange(first, first + size)
    return np.array([_order(count, epoch)[place] for epoch, place in zip(places // count, places % count, strict=True)])


@lru_cache(maxsize=2)
def _order(count: int, epoch: int) -> np.ndarray:
    return np.random.default_rng(epoch).permutation(count)
