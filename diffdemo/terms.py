"""The fixed words and bounds that several rooms share."""

SOLVERS = ("ddim", "dpm++2m")
SPACINGS = ("trailing", "logsnr")
STARTS = ("picture", "noise")
CODES = ("random", "ddim", "fixed-point", "edit-friendly", "dpm-encoder")  # ways from a picture to an x_n
DIGITS = 10_000  # digits are 0 .. DIGITS - 1, the MNIST test set
SEED_END = 2**31  # seeds are 0 .. SEED_END - 1
MAX_STEPS = 1000


def counted(count: int, noun: str) -> str:
    """A count with its noun, as "1 seed" or "16 seeds"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
