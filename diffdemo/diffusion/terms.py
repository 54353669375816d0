"""Names and bounds that several rooms share; imports no torch."""

from numbers import Integral
from typing import TypeGuard

SOLVERS = ("ddim", "dpm++2m")
SPACINGS = ("trailing", "logsnr")
SEED_END = 2**31  # seeds are 0 .. SEED_END - 1
MAX_STEPS = 1000  # network calls of one row
MAX_PROMPT = 300  # characters
MAX_GUIDANCE = 20


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number of Python or NumPy; True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)
