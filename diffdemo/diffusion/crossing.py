"""Where values fall through a threshold."""

from collections.abc import Sequence

import numpy as np


def crossing(
    levels: Sequence[int], values: Sequence[float] | np.ndarray, threshold: float
) -> float | None:
    """Return the level n at which values first fall through a threshold; None if they never do.

    Args:
        levels: L rising numbers.
        values: one a level; linear between levels.
        threshold: what they fall through.
    """
    for place in range(1, len(levels)):
        above = values[place - 1]
        below = values[place]
        if above >= threshold > below:
            share = (above - threshold) / (above - below)
            return levels[place - 1] + share * (levels[place] - levels[place - 1])
    return None
