"""Line-ups: the pictures an x_n could have come from, what each of them shows, and whether two pictures show the same.

The bundled models have one of 10,000 pictures each, none of them used in training: the faces of seeds 0..9,999 and the MNIST
test digits. What shows (14 attributes of a face, the class of a digit) is known for these, and read by a small classifier
(`readers`) from any other picture; a model of unknown pictures has no line-up and nothing to read.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from diffdemo import digits, faces, images, matching, metrics
from diffdemo.posterior import top_variance
from diffdemo.readers import Reader, load_reader, truth

READABLE_RMSE = (
    0.12  # a picture is read as a face when the atlas draws one as near as this: half the median distance of a face to the nearest of 10,000
)
READABLE = 0.9  # a picture is read as a digit when the reader is as sure as this


@dataclass(frozen=True)
class Shown:
    """What one picture shows.

    Attributes:
        values: (A,) int64, the value of each attribute.
        visible: (A,) bool, whether the attribute shows: another value would change a pixel.
    """

    values: Tensor
    visible: Tensor


@dataclass(frozen=True, eq=False)
class LineUp:
    """A set of pictures, equally probable before anything is seen.

    Attributes:
        name: "faces" or "digits".
        pictures: (N, C, H, W) in [-1, 1].
        names: (N,) how an experiment names each.
        values: (N, A) int64, the value of each attribute of each picture.
        attributes: the names of the A attributes.
        reader: reads attributes from other pictures; None where nothing can be read.
    """

    name: str
    pictures: Tensor
    names: tuple[str, ...]
    values: Tensor
    attributes: tuple[str, ...]
    reader: Reader | None

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def variance(self) -> float:
        """Largest eigenvalue of the pictures' covariance; computed when first asked for, not when the page starts."""
        return top_variance(self.pictures)

    def read(self, x: Tensor) -> Tensor:
        """(B, A) int64, what the reader sees in pictures (B, C, H, W); A = 0 without a reader."""
        return self.reader.read(x) if self.reader else torch.zeros(len(x), 0, dtype=torch.int64)

    def with_picture(self, x0: Tensor, text: str) -> tuple["LineUp", int]:
        """The same line-up with the picture (1, C, H, W) in it, and its place; one equal to it stands for it and never counts twice."""
        equal = (self.pictures == x0).flatten(1).all(1).nonzero().flatten()
        if len(equal):
            return self, int(equal[0])
        pictures, values = torch.cat([self.pictures, x0]), torch.cat([self.values, self.read(x0)])
        return replace(self, pictures=pictures, names=(*self.names, text), values=values), len(self)

    def shown(self, text: str, x0: Tensor) -> Shown | None:
        """What the picture an experiment names shows; None where it is nothing this line-up's reader knows."""
        if self.reader is None:
            return None
        values = self.reader.read(x0)[0]
        if self.name == "digits":
            known = text.startswith("digit:") or float(self.reader.confidence(x0).min()) > READABLE
            return Shown(values, torch.ones(1, dtype=torch.bool)) if known else None
        if text.startswith("face:"):
            choices = faces.choose(np.array([int(text[5:])]))
        else:
            reading = matching.read(images.to_pixels(x0))
            if reading.rmse[0] > READABLE_RMSE:
                return None
            choices = reading.choices
        return Shown(values, torch.from_numpy(faces.seen(choices)[0]))

    def kept(self, shown: Shown, x: Tensor) -> Tensor:
        """(B,) float32, the share of the visible attributes that each picture (B, C, H, W) still shows."""
        return self._agreement(shown, self.read(x))

    def chance(self, shown: Shown) -> float:
        """The share of the visible attributes that an unrelated picture shows too."""
        return float(self._agreement(shown, self.values).mean())

    def alike(self, x: Tensor) -> float:
        """The share of the attributes, read, that two pictures of (B, C, H, W) have in common, on average over all pairs; B >= 2."""
        return _pairs_alike(self.read(x))

    @cached_property
    def alike_by_chance(self) -> float:
        """The same for two pictures of the line-up."""
        return _pairs_alike(self.values)

    @staticmethod
    def _agreement(shown: Shown, values: Tensor) -> Tensor:
        return (values == shown.values)[:, shown.visible].float().mean(1)

    def word(self, attribute: int, value: int) -> str:
        """The value of an attribute in words."""
        return str(value) if self.name == "digits" else faces.word(faces.ATTRIBUTES[self.attributes[attribute]], value)


def _pairs_alike(values: Tensor) -> float:
    """The share of equal values, (N, A), averaged over attributes and all pairs of different rows."""
    rows, shares = len(values), []
    for column in values.T:
        same = column.unique(return_counts=True)[1].double()
        shares.append(float((same * (same - 1)).sum()) / (rows * (rows - 1)))
    return sum(shares) / len(shares)


@cache
def line_up(name: str) -> LineUp:
    """The line-up of a bundled model: "faces" or "digits"."""
    if name == "digits":
        pixels, labels = digits.line_up()
        values, prefix = torch.from_numpy(labels)[:, None], "digit"
    else:
        choices = faces.choose(np.arange(faces.LINE_UP))
        pixels, prefix = faces.draw(choices), "face"
        values = torch.from_numpy(truth(choices))
    reader, pictures = load_reader(name), images.from_uint8(pixels)
    names = tuple(f"{prefix}:{index}" for index in range(len(pictures)))
    return LineUp(name, pictures, names, values, reader.attributes, reader)


@cache
def unrelated_rmse(name: str) -> float:
    """The RMSE between unrelated pictures of a line-up, on the [-1, 1] scale."""
    return metrics.unrelated_rmse(line_up(name).pictures[:200])
