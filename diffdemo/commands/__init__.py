"""The commands of `python -m diffdemo`, a module for each family; its `add` puts them into the parser."""

from diffdemo.commands import experiments, fit, listing, measure, study

FAMILIES = (
    experiments.add,
    fit.add,
    measure.add,
    study.add,
    listing.add,
)
