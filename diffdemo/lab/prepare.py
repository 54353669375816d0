"""Prepare an experiment once: resolve its model, read its picture, and hand both to the run."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from PIL import Image
from torch import Tensor

from diffdemo.errors import ExperimentError, ModelError, PictureError
from diffdemo.lab.experiment import Experiment, Result
from diffdemo.lab.fields import MAX_PNG
from diffdemo.lab.judge import Judge
from diffdemo.lab.notation import picture_from_png, png_from_picture
from diffdemo.lab.progress import Progress
from diffdemo.models import TABLE, Model, find, load_model
from diffdemo.pictures import decoding, digits, faces, images

LINK_PIXELS = 64 * 64  # a picture inside a link is at most this large


@dataclass(frozen=True, eq=False)
class Ready:
    """An experiment that is ready to run.

    Attributes:
        experiment: with the revision of the weights that run it.
        model: the model it names, bound to its prompt.
        original: the picture, before it is fitted to the model.
        given: the picture as the caller supplied it; None where the experiment names it.
    """

    experiment: Any
    model: Model
    original: Image.Image
    given: Image.Image | None = None

    @cached_property
    def x0(self) -> Tensor:
        """(1, C, H, W), the picture in model space: [-1, 1] for pixels, else its latent."""
        return self.model.encode(self.original)

    @cached_property
    def judge(self) -> Judge:
        """Compares what came back with the picture."""
        return Judge.of(self.experiment.picture, self.model, self.x0)

    @property
    def key(self) -> tuple:
        """What its result depends on: the experiment with the weights, device and dtype."""
        return self.experiment, self.model.device, self.model.dtype

    def calls(self) -> int:
        """Count the network calls of the run, each for one picture."""
        return int(self.experiment.calls(self.model.schedule))

    def run(self) -> Iterator[Progress | Result]:
        """Run it; yields Progress after each network call, and last the result."""
        return self.experiment.run(self)


def prepare(experiment: Any, model: Model | None = None, given: Image.Image | None = None) -> Ready:
    """Make an experiment ready to run; arguments and errors as in `lab.stream`."""
    model = resolve(experiment, model)
    check_levels(model, *experiment.levels_asked())
    original = original_picture(experiment.picture, model, given)
    return Ready(replace(experiment, revision=model.revision), model, original, given)


def resolve(experiment: Any, model: Model | None) -> Model:
    """Return the model an experiment names, bound to its prompt.

    That is the one given, or one of the table. An experiment can never name a folder by itself.

    Raises:
        DiffdemoError: not an experiment, an unknown model, one that cannot be loaded, or a prompt
            or guidance for one that takes none.
    """
    if not isinstance(experiment, Experiment):
        kind = type(experiment).__name__
        raise ExperimentError(f"An experiment is needed, such as RoundTrip, not {kind}.")
    name = experiment.model
    if model is None or model.name != name:
        if find(name) is None:
            names = dict.fromkeys(entry.name for entry in TABLE)
            if model:
                names[model.name] = None
            raise ModelError(f"There is no model {name!r} here; there is {', '.join(names)}.")
        model = load_model(name, str(model.device) if model else None)
    return model.conditioned(experiment.prompt, experiment.guidance)


def check_levels(model: Model, *levels: int) -> None:
    """Refuse levels that the model does not have.

    Raises:
        ExperimentError: a level is beyond the model's T.
    """
    T = model.schedule.T
    if max(levels) > T:
        raise ExperimentError(
            f"The model {model.name} has {T} noise steps; n cannot be {max(levels)}."
        )


def picture(text: str, model: Model, given: Image.Image | None = None) -> Tensor:
    """Return the picture an experiment names in model space, (1, C, H, W); errors as below."""
    return model.encode(original_picture(text, model, given))


def original_picture(text: str, model: Model, given: Image.Image | None = None) -> Image.Image:
    """Return the picture an experiment names, before it is fitted to the model.

    Raises:
        DiffdemoError: a picture inside the text is damaged or too large, or a hash is not that
            of the picture given.
    """
    if text.startswith("face:"):
        return Image.fromarray(faces.sample(int(text[5:]))[0])
    if text.startswith("digit:"):
        return Image.fromarray(digits.line_up()[0][int(text[6:]), ..., 0])
    if text.startswith("png:"):
        return decoding.load_picture(png_from_picture(text), LINK_PIXELS)
    if given is None or picture_text(model, given) != text:
        raise PictureError(
            "This experiment names a picture by its hash only; please upload that picture."
        )
    return given


def picture_text(model: Model, given: Image.Image) -> str:
    """Name a visitor's picture as an experiment does, fitted to the model.

    Returns:
        "png:…" with the picture itself if it is small enough for a link, else "sha256:…".
    """
    pixels = model.fit_pixels(given)
    text = picture_from_png(images.png_bytes(pixels))
    if len(text) <= MAX_PNG:
        return text
    return f"sha256:{hashlib.sha256(pixels.tobytes()).hexdigest()}"
