"""Run experiments: `stream` yields progress while the network works and ends with the result; `run` blocks."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from PIL import Image

from diffdemo.experiment import Belief, Curve, Experiment, RoundTrip
from diffdemo.lab.belief import BeliefResult, Candidate, belief, beliefs
from diffdemo.lab.curve import CurveResult, crossing, curve
from diffdemo.lab.progress import Progress
from diffdemo.lab.round_trip import Path, RoundTripResult, round_trip
from diffdemo.lab.subject import check_levels, picture, picture_text, resolve
from diffdemo.models import Model

__all__ = [
    "BeliefResult",
    "Candidate",
    "CurveResult",
    "Path",
    "Progress",
    "RoundTripResult",
    "beliefs",
    "crossing",
    "picture",
    "picture_text",
    "resolve",
    "run",
    "stream",
]

Result = RoundTripResult | CurveResult | BeliefResult
_RUNS = {RoundTrip: round_trip, Curve: curve, Belief: belief}


def run(experiment: Experiment, model: Model | None = None, given: Image.Image | None = None) -> Any:
    """Run an experiment to its end and return its result (see `Result`); arguments and errors as in `stream`."""
    *_, result = stream(experiment, model, given)
    return result


def stream(experiment: Experiment, model: Model | None = None, given: Image.Image | None = None) -> Iterator[Progress | Result]:
    """Run an experiment; yields Progress after every network call and last the result.

    Args:
        experiment: what to run.
        model: the model it names, where that is not a bundled one; an experiment can never name a folder by itself.
        given: the picture itself, where the experiment names only its hash.

    Raises:
        DiffdemoError: unknown model or picture, n beyond the model's T; raised before any work.
    """
    model = resolve(experiment, model)
    check_levels(model, *(experiment.levels if isinstance(experiment, Curve) else (experiment.n,)))  # type: ignore[attr-defined]
    x0 = picture(experiment.picture, model, given)  # type: ignore[attr-defined]
    return _RUNS[type(experiment)](replace(experiment, revision=model.revision), model, x0)  # type: ignore[operator, type-var]
