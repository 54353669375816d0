"""The fixed words and bounds that several rooms share."""

SOLVERS = ("ddim", "dpm++2m")
SPACINGS = ("trailing", "logsnr")
STARTS = ("picture", "noise")
SEED_END = 2**31  # seeds are 0 .. SEED_END - 1
MAX_STEPS = 1000
