"""Run experiments: `stream` yields progress while the network works and ends with the result; `run` blocks."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from PIL import Image
from torch import Tensor

from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, Experiment, RoundTrip
from diffdemo.lab.belief import BeliefResult, Candidate, belief, belief_calls, beliefs
from diffdemo.lab.branch import BranchResult, branch, branch_calls
from diffdemo.lab.collision import CollisionResult, collision, collision_calls
from diffdemo.lab.curve import CurveResult, crossing, curve, curve_calls
from diffdemo.lab.embedding import Code, EmbeddingResult, embedding, embedding_calls
from diffdemo.lab.progress import Progress
from diffdemo.lab.round_trip import PREVIEW_CALLS, PREVIEW_SEEDS, Path, RoundTripResult, round_trip, round_trip_calls
from diffdemo.lab.round_trip import preview as _preview
from diffdemo.lab.subject import check_levels, original, picture, picture_text, resolve
from diffdemo.models import Model
from diffdemo.schedule import Schedule

__all__ = [
    "PREVIEW_CALLS",
    "PREVIEW_SEEDS",
    "BeliefResult",
    "BranchResult",
    "Candidate",
    "Code",
    "CollisionResult",
    "CurveResult",
    "EmbeddingResult",
    "Path",
    "Progress",
    "RoundTripResult",
    "beliefs",
    "check_levels",
    "crossing",
    "network_calls",
    "original",
    "picture",
    "picture_text",
    "preview",
    "resolve",
    "run",
    "stream",
    "suited",
]

Result = RoundTripResult | CurveResult | EmbeddingResult | CollisionResult | BeliefResult | BranchResult
_Run = Callable[[Any, Model, Tensor], Iterator[Progress | Result]]
_Cost = Callable[[Any, Schedule], int]
_ROOMS: dict[type[Experiment], tuple[_Run, _Cost]] = {  # how each is run, and what that costs
    RoundTrip: (round_trip, round_trip_calls),
    Curve: (curve, curve_calls),
    Embedding: (embedding, embedding_calls),
    Collision: (collision, collision_calls),
    Belief: (belief, belief_calls),
    Branch: (branch, branch_calls),
}


def suited(experiment: Experiment, model: Model | None = None) -> Model:
    """The model an experiment names, told its prompt, which has all the levels asked for; the picture is not looked at.

    Raises:
        DiffdemoError: as `stream`, but for the picture.
    """
    model = resolve(experiment, model)
    check_levels(model, *(getattr(experiment, "levels", None) or (getattr(experiment, "n", 0),)))
    return model


def run(experiment: Experiment, model: Model | None = None, given: Image.Image | None = None) -> Any:
    """Run an experiment to its end and return its result (see `Result`); arguments and errors as in `stream`."""
    (result,) = deque(stream(experiment, model, given), maxlen=1)  # keeps nothing of what was shown on the way
    return result


def stream(experiment: Experiment, model: Model | None = None, given: Image.Image | None = None) -> Iterator[Progress | Result]:
    """Run an experiment; yields Progress after every network call and last the result.

    Args:
        experiment: what to run.
        model: the model it names, where that is not one of the table; an experiment can never name a folder by itself.
        given: the picture itself, where the experiment names only its hash.

    Raises:
        DiffdemoError: unknown model or picture, n beyond the model's T, a prompt for a model that takes none; raised before any work.
    """
    model = suited(experiment, model)
    x0 = picture(experiment.picture, model, given)
    run_one, _ = _ROOMS[type(experiment)]
    return run_one(replace(experiment, revision=model.revision), model, x0)


def network_calls(experiment: Experiment, schedule: Schedule) -> int:
    """How often the network sees one picture in a run; nearly, where fixed points are solved.

    Args:
        experiment: any of them.
        schedule: that of its model.
    """
    _, calls = _ROOMS[type(experiment)]
    return calls(experiment, schedule)


def preview(experiment: RoundTrip, model: Model | None = None, given: Image.Image | None = None) -> Progress:
    """Roughly where a round trip will end, long before it does; arguments and errors as in `stream`.

    Returns:
        A Progress whose x0_hat are pictures of PREVIEW_CALLS network calls for the first PREVIEW_SEEDS seeds, and x_n for others.
    """
    model = suited(experiment, model)
    return _preview(experiment, model, picture(experiment.picture, model, given))
