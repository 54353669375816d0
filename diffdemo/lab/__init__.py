"""Run experiments: `stream` yields progress and last the result, `run` returns the result."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from diffdemo.lab.experiment import Experiment

if TYPE_CHECKING:
    from PIL.Image import Image

    from diffdemo.models import Model


def stream(
    experiment: Experiment, model: "Model | None" = None, given: "Image | None" = None
) -> Iterator[Any]:
    """Run an experiment; yields Progress after each network call, and last the result.

    Args:
        experiment: what to run.
        model: the model it names, where that is not one of the table. A link or an experiment
            can never name a folder by itself.
        given: the picture itself, where the experiment names only its hash.

    Raises:
        DiffdemoError: unknown model or picture, n beyond the model's T, or a prompt for a model
            that takes none. Raised before any work.
    """
    from diffdemo.lab.prepare import prepare  # imports torch, which a command line may not need

    return prepare(experiment, model, given).run()


def run(experiment: Experiment, model: "Model | None" = None, given: "Image | None" = None) -> Any:
    """Run an experiment to its end and return its result; arguments and errors as in `stream`."""
    (result,) = deque(stream(experiment, model, given), maxlen=1)
    return result
