"""The picture an experiment is about, as the model sees it, and the judgement of what came of it."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from diffdemo import digits, faces, images, line_ups, metrics
from diffdemo.errors import ExperimentError, ModelError, PictureError
from diffdemo.experiment import Experiment, picture_from_png, png_from_picture
from diffdemo.fields import MAX_PNG
from diffdemo.lab import lane
from diffdemo.line_ups import LineUp, Shown
from diffdemo.models import TABLE, Model, find, load_model
from diffdemo.noise import noise

LINK_PIXELS = 64 * 64  # a picture inside a link is at most this large
KEPT = 32  # distances between unrelated pictures held in memory at most
CAME_BACK_SHARE = 0.4  # without a line-up: "came back" is an RMSE below this share of that between unrelated pictures


def resolve(experiment: Experiment, model: Model | None) -> Model:
    """The model an experiment names, told its prompt: the one given, or one of the table; an experiment can never name a folder by itself.

    Raises:
        DiffdemoError: not an experiment, an unknown model, one that cannot be loaded, or a prompt or guidance for one that takes none.
    """
    if not isinstance(experiment, Experiment):
        raise ExperimentError(f"An experiment is needed, such as RoundTrip, not {type(experiment).__name__}.")
    name = experiment.model
    if not (model and model.name == name):
        if find(name) is None:
            names = dict.fromkeys([*(entry.name for entry in TABLE), *([model.name] if model else [])])
            raise ModelError(f"There is no model {name!r} here; there is {', '.join(names)}.")
        model = load_model(name, str(model.device) if model else None)
    return model.conditioned(experiment.prompt, experiment.guidance)


def check_levels(model: Model, *levels: int) -> None:
    """Refuse levels that the model does not have.

    Raises:
        ExperimentError: a level is beyond the model's T.
    """
    if max(levels) > model.schedule.T:
        raise ExperimentError(f"The model {model.name} has {model.schedule.T} noise steps; n cannot be {max(levels)}.")


def picture(text: str, model: Model, given: Image.Image | None = None) -> Tensor:
    """The picture an experiment names, as the model sees it: (1, C, H, W) in model space, which is [-1, 1] for pixels.

    Raises:
        DiffdemoError: as `original`.
    """
    return model.encode(original(text, model, given))


def original(text: str, model: Model, given: Image.Image | None = None) -> Image.Image:
    """The picture an experiment names, before it is fitted to the model.

    Raises:
        DiffdemoError: a picture inside the text is damaged or too large, or a hash is not that of the picture given.
    """
    if text.startswith("face:"):
        return Image.fromarray(faces.sample(int(text[5:]))[0])
    if text.startswith("digit:"):
        return Image.fromarray(digits.line_up()[0][int(text[6:]), ..., 0])
    if text.startswith("png:"):
        return images.load_picture(png_from_picture(text), LINK_PIXELS)
    if given is None or picture_text(model, given) != text:
        raise PictureError("This experiment names a picture by its hash only; please upload that picture.")
    return given


def picture_text(model: Model, given: Image.Image) -> str:
    """How an experiment names a visitor's picture, fitted to the model: itself as a PNG if it is small enough for a link, else its pixels' hash."""
    pixels = model.fit(given)[0]
    text = picture_from_png(images.png_bytes(pixels))
    return text if len(text) <= MAX_PNG else f"sha256:{hashlib.sha256(pixels.tobytes()).hexdigest()}"


@dataclass(frozen=True, eq=False)
class Judge:
    """Compares what came back with the picture it should be, in model space: pixels on the [-1, 1] scale, or latents before they are decoded.

    Attributes:
        x0: (1, C, H, W), the picture.
        unrelated: RMSE between unrelated pictures.
        line_up: the pictures it is nearest among; None where the model has none.
        shown: what the picture shows; None where nothing can be read.
    """

    x0: Tensor
    unrelated: float
    line_up: LineUp | None
    shown: Shown | None

    @classmethod
    def of(cls, text: str, model: Model, x0: Tensor) -> "Judge":
        """The judge of the picture that an experiment names."""
        if model.line_up is None:
            return cls(x0, _unrelated(model), None, None)
        line_up = line_ups.line_up(model.line_up)
        return cls(x0, line_ups.unrelated_rmse(model.line_up), line_up, line_up.shown(text, x0))

    @property
    def attributes(self) -> int:
        """How many attributes show in the picture; 0 where nothing can be read."""
        return int(self.shown.visible.sum()) if self.shown else 0

    def came_back(self, x: Tensor) -> Tensor:
        """(B,) bool: the original is the nearest to each picture among itself and the line-up."""
        if self.line_up is None:
            return metrics.rmse(self.x0, x) < CAME_BACK_SHARE * self.unrelated
        return metrics.came_back(self.x0, x, self.line_up.pictures)

    def kept(self, x: Tensor) -> Tensor | None:
        """(B,) the share of the visible attributes that each picture still shows."""
        return self.line_up.kept(self.shown, x) if self.line_up and self.shown else None


_known: "OrderedDict[tuple, float]" = OrderedDict()


def _unrelated(model: Model) -> float:
    """The RMSE between unrelated pictures of a model without a line-up, from a few of its own samples; of large pictures fewer, in fewer steps."""
    schedule = model.schedule
    key = (model.name, model.revision, str(model.device), model.dtype, model.prompt, model.guidance, schedule.T, float(schedule.alpha_bar[-1]))
    if key not in _known:
        _, height, width = model.picture_shape
        count, steps = (16, 20) if height * width <= LINK_PIXELS else (4, 5)  # rough is enough, and a network call takes seconds
        drawn = lane.draw(model, noise(range(count), model.shape), schedule.T, range(count), steps=steps)
        _known[key] = metrics.unrelated_rmse(drawn)
        while len(_known) > KEPT:
            _known.popitem(last=False)
    return _known[key]
