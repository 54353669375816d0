"""Taking turns: every round runs everybody once, in a new random order, so that whatever else the machine does falls on all alike."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Timing:
    """One contender's result.

    Attributes:
        name: who.
        seconds: median over the rounds.
        ratio: median over the rounds of its seconds over those of the first contender in the same round.
        low, high: the quarter and three quarters of these ratios.
        difference: largest difference of its pictures to those of the first, on the [-1, 1] scale; NaN where there are none.
    """

    name: str
    seconds: float
    ratio: float
    low: float
    high: float
    difference: float


def clocked(run: Callable[[], object]) -> Callable[[], float]:
    """The same work, returning the seconds it took."""

    def clock() -> float:
        began = time.perf_counter()
        run()
        return time.perf_counter() - began

    return clock


def take_turns(runs: Mapping[str, Callable[[], float]], rounds: int, seconds: float = 0.0, seed: int = 0) -> dict[str, list[float]]:
    """What each run returned, the seconds it took, one a round.

    Args:
        runs: by name.
        rounds: at least so many.
        seconds: go on until the first has run for so long in all.
        seed: of the order within the rounds.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    order, first, shuffle = list(runs), next(iter(runs)), random.Random(seed).shuffle
    while len(times[first]) < rounds or sum(times[first]) < seconds:
        shuffle(order)
        for name in order:
            times[name].append(runs[name]())
    return times


def timings(times: Mapping[str, list[float]], outputs: Mapping[str, Tensor] | None = None) -> list[Timing]:
    """Medians, and ratios over the first; `outputs` are the pictures that each made, where they are to be compared."""
    first, found, pictures = next(iter(times)), [], outputs or {}
    for name, seconds in times.items():
        low, middle, high = np.quantile(np.divide(seconds, times[first]), (0.25, 0.5, 0.75)).tolist()
        difference = float((pictures[name] - pictures[first]).abs().max()) if name in pictures else float("nan")
        found.append(Timing(name, float(np.median(seconds)), middle, low, high, difference))
    return found
