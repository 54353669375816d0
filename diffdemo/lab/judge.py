"""Judge what came back: whether it is the original, and what of it was kept."""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor

from diffdemo.diffusion import metrics
from diffdemo.diffusion.noise import noise
from diffdemo.lab import batches
from diffdemo.models import Model
from diffdemo.pictures import line_ups
from diffdemo.pictures.line_ups import Attributes, LineUp

SMALL = 64 * 64  # pixels; of larger pictures fewer samples are drawn, in fewer steps
KEPT = 32  # distances between unrelated pictures held in memory at most
CAME_BACK_SHARE = 0.4  # without a line-up: of the RMSE between unrelated pictures


@dataclass(frozen=True, eq=False)
class Judge:
    """Compares what came back with the picture it should be.

    It works in model space: pixels in [-1, 1], or latents before they are decoded.

    Attributes:
        x0: (1, C, H, W), the picture.
        unrelated: RMSE between unrelated pictures.
        line_up: the pictures it is nearest among; None where the model has none.
        original: attributes of the picture; None where nothing can be read.
        foreign: whether the picture is of another kind than the line-up (`LineUp.foreign`), so
            that the line-up does not judge it.
    """

    x0: Tensor
    unrelated: float
    line_up: LineUp | None
    original: Attributes | None
    foreign: bool = False

    @classmethod
    def of(cls, text: str, model: Model, x0: Tensor) -> "Judge":
        """Make the judge of a picture, (1, C, H, W), that an experiment names `text`."""
        if model.line_up is None:
            return cls(x0, unrelated_rmse(model), None, None)
        line_up = line_ups.line_up(model.line_up)
        unrelated = line_ups.unrelated_rmse(model.line_up)
        foreign = line_up.foreign(text, x0)
        return cls(x0, unrelated, line_up, line_up.describe(text, x0), foreign)

    @property
    def attributes(self) -> int:
        """How many attributes show in the picture; 0 where nothing can be read."""
        return int(self.original.visible.sum()) if self.original else 0

    @property
    def chance(self) -> float | None:
        """The share of the visible attributes that an unrelated picture shows too."""
        if self.line_up is None or self.original is None:
            return None
        return self.line_up.kept_by_chance(self.original)

    def came_back(self, x: Tensor) -> Tensor:
        """Return which pictures came back: (B, C, H, W) → (B,) bool.

        Of the original and the line-up, the original is the nearest to such a picture. Without a
        line-up, or for an original of another kind, its RMSE is below CAME_BACK_SHARE of that
        between unrelated pictures.
        """
        if self.line_up is None or self.foreign:
            return metrics.rmse(self.x0, x) < CAME_BACK_SHARE * self.unrelated
        return metrics.came_back(self.x0, x, self.line_up.pictures)

    def read(self, x: Tensor) -> Tensor | None:
        """Return the attributes read from pictures, (B, A); None where the original has none."""
        if self.line_up is None or self.original is None:
            return None
        return self.line_up.read_beside(self.original, x)

    def kept(self, x: Tensor) -> Tensor | None:
        """(B,) the share of the visible attributes that each picture still shows."""
        values = self.read(x)
        if values is None or self.original is None:
            return None
        return line_ups.agreement(self.original, values)


_known: "OrderedDict[tuple, float]" = OrderedDict()


def unrelated_rmse(model: Model) -> float:
    """RMSE between unrelated pictures of a model without a line-up, from samples of its own."""
    key = (
        model.name,
        model.revision,
        str(model.device),
        model.dtype,
        model.prompt,
        model.guidance,
        model.schedule.T,
        float(model.schedule.alpha_bar[-1]),
    )
    if key not in _known:
        _known[key] = metrics.unrelated_rmse(_samples(model))
        while len(_known) > KEPT:
            _known.popitem(last=False)
    return _known[key]


def _samples(model: Model) -> Tensor:
    """Draw a few samples; rough ones are enough, and a call of a large network takes seconds."""
    _, height, width = model.picture_shape
    small = height * width <= SMALL
    seeds = range(16 if small else 4)
    steps = 20 if small else 5
    return batches.draw(model, noise(seeds, model.shape), model.schedule.T, seeds, steps=steps)
