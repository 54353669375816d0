"""The commands of `python -m diffdemo`: each module's `add` puts its commands into the parser.

Torch is imported when a command runs, so that the parser and its help are quick.
"""

from diffdemo.commands import (
    experiments,
    fit,
    listing,
    measure,
    outcomes,
    screenshots,
    study,
    timing,
)

FAMILIES = (
    experiments.add,
    fit.add,
    measure.add,
    timing.add,
    outcomes.add,
    screenshots.add,
    study.add,
    listing.add,
)
