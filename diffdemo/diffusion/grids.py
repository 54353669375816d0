"""Which levels a sampler visits on its way from n to 0."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from diffdemo.diffusion.schedule import Schedule
from diffdemo.diffusion.terms import SPACINGS, is_whole
from diffdemo.errors import ExperimentError

Steps = int | Sequence[int]


def grid(schedule: Schedule, n: int, steps: int, spacing: str = "trailing") -> list[int]:
    """Return K + 1 strictly falling levels from n to 0, K = min(n, steps).

    `trailing`: round(n (1 - k / K)). `logsnr`: K levels from n to 1, uniform in
    lambda = 1/2 log SNR, rounded and made distinct, then 0.

    References:
        Lin et al., 2024, table 2 (trailing), arXiv 2305.08891;
        Lu et al., 2022, DPM-Solver, section 5 (uniform lambda), arXiv 2206.00927.
    """
    count = min(n, steps)
    if count == 0:
        return [0]
    if spacing == "trailing" or count == 1:
        levels = np.round(n * (1 - np.arange(count + 1) / count))
        return [int(level) for level in levels]
    return [*_uniform_in_lambda(schedule, n, count), 0]


def _uniform_in_lambda(schedule: Schedule, n: int, count: int) -> list[int]:
    """Return `count` falling levels from n to 1."""
    minus_lambda = -0.5 * np.log(schedule.snr[1:].numpy())  # rises with n
    uniform = np.linspace(minus_lambda[n - 1], minus_lambda[0], count)
    levels = np.interp(uniform, minus_lambda, np.arange(1, schedule.T + 1))
    levels = np.round(levels).astype(int)
    # At the low end several levels round to the same one: push them up, but not above n.
    for k in reversed(range(count - 1)):
        levels[k] = max(levels[k], levels[k + 1] + 1)
    return np.minimum(levels, n - np.arange(count)).tolist()


def grids(schedule: Schedule, n: Tensor, steps: Steps, spacing: str = "trailing") -> Tensor:
    """Return the grid of each row as (B, K + 1) int64, K the largest min(n, steps).

    Args:
        schedule: the noise schedule.
        n: (B,) int64, where each row starts.
        steps: most network calls of a row, one for all or (B,).
        spacing: as in `grid`.

    Raises:
        ExperimentError: steps is not a whole number from 1 up, or one for each row; or the
            spacing is unknown.
    """
    counts = _steps_by_row(steps, len(n))
    if spacing not in SPACINGS:
        raise ExperimentError(f"The step spacing is one of {', '.join(SPACINGS)}, not {spacing!r}.")
    pairs = list(zip(n.tolist(), counts, strict=True))
    rows = {pair: grid(schedule, *pair, spacing) for pair in set(pairs)}
    return pad_rows([rows[pair] for pair in pairs])


def _steps_by_row(steps: Steps, rows: int) -> list[int]:
    if not isinstance(steps, Sequence):
        return [_checked(steps)] * rows
    if len(steps) != rows:
        raise ExperimentError(
            "The number of network calls, steps, is one whole number, "
            f"or one for each of the {rows} rows."
        )
    return [_checked(count) for count in steps]


def _checked(steps: int) -> int:
    if not is_whole(steps) or steps < 1:
        raise ExperimentError(
            f"The number of network calls, steps, is a whole number from 1 up, not {steps!r}."
        )
    return steps


def pad_rows(rows: Sequence[Sequence[int]]) -> Tensor:
    """Return rows of levels as (B, longest) int64; shorter rows end in zeros."""
    width = max((len(row) for row in rows), default=1)
    levels = torch.zeros(len(rows), width, dtype=torch.int64)
    for k, row in enumerate(rows):
        levels[k, : len(row)] = torch.tensor(row)
    return levels


def with_jumps(levels: Sequence[int], jump: int, times: int = 1) -> list[int]:
    """Return a grid that climbs back: `jump` levels up at every `jump`-th level.

    Args:
        levels: K + 1 falling levels that end at 0.
        jump: how many levels each climb goes up; 0 = none, the grid as it is.
        times: how often each climb is made.

    Returns:
        The levels visited, neighbours of the grid one after the other.

    References:
        Lugmayr et al., 2022, RePaint, section 4.2 and its published schedule, arXiv 2201.09865.
    """
    last = len(levels) - 1
    # Place in the grid → climbs left there. Climbs begin at the lowest level above 0.
    left = dict.fromkeys(range(last - 1, jump - 1, -jump), times) if jump else {}
    place = 0
    visited = list(levels[:1])
    while place < last:
        place += 1
        visited.append(levels[place])
        if left.get(place):
            left[place] -= 1
            visited += reversed(levels[place - jump : place])
            place -= jump
    return visited
