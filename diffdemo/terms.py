"""The fixed words and bounds that several rooms share."""

SOLVERS = ("ddim", "dpm++2m")
SPACINGS = ("trailing", "logsnr")
STARTS = ("picture", "noise")
DIGITS = 10_000  # digits are 0 .. DIGITS - 1, the MNIST test set
SEED_END = 2**31  # seeds are 0 .. SEED_END - 1
MAX_STEPS = 1000
