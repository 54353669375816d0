"""The commands of `python -m diffdemo`, a module for each family; its `add` puts them into the parser."""

from diffdemo.commands import experiments, fit, listing, measure, screenshots, study, timing

FAMILIES = (
    experiments.add,
    fit.add,
    measure.add,
    timing.add,
    screenshots.add,
    study.add,
    listing.add,
)
