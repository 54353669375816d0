"""Taking turns: each round runs every sampler once, in a new random order.

So whatever else the machine does falls on all alike.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Timing:
    """The result of one sampler.

    Attributes:
        name: of the sampler.
        seconds: median over the rounds.
        ratio: median over the rounds of its seconds over those of the first in the same round.
        low, high: the first and third quartile of these ratios.
        difference: largest difference of its pictures to those of the first, on the [-1, 1]
            scale; NaN where there are none.
    """

    name: str
    seconds: float
    ratio: float
    low: float
    high: float
    difference: float


def clocked(run: Callable[[], object]) -> Callable[[], float]:
    """Return the same work as a function that returns the seconds it took."""

    def clock() -> float:
        began = time.perf_counter()
        run()
        return time.perf_counter() - began

    return clock


def take_turns(
    runs: Mapping[str, Callable[[], float]], rounds: int, seconds: float = 0.0, seed: int = 0
) -> dict[str, list[float]]:
    """Return the seconds that each run took, one number a round.

    Args:
        runs: by name; each returns its seconds.
        rounds: at least.
        seconds: rounds go on until the first has run for this long in all.
        seed: of the order within the rounds.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    order = list(runs)
    first = times[order[0]]
    shuffle = random.Random(seed).shuffle
    while len(first) < rounds or sum(first) < seconds:
        shuffle(order)
        for name in order:
            times[name].append(runs[name]())
    return times


def timings(
    times: Mapping[str, list[float]], outputs: Mapping[str, Tensor] | None = None
) -> list[Timing]:
    """Return medians, and ratios over the first.

    Args:
        times: seconds in each round, by name.
        outputs: the pictures that each made, where they are compared.
    """
    first = next(iter(times))
    pictures = outputs or {}
    found = []
    for name, seconds in times.items():
        ratios = np.divide(seconds, times[first])
        low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75)).tolist()
        difference = nan
        if name in pictures:
            difference = float((pictures[name] - pictures[first]).abs().max())
        found.append(Timing(name, float(np.median(seconds)), middle, low, high, difference))
    return found
