"""Line-ups: the pictures an x_n could have come from, and the attributes of each.

Each bundled model has a line-up of 10,000 pictures that were not used in training: the faces of
seeds 0..9,999, or the MNIST test digits. Their attributes (14 of a face, the class of a digit) are
known. A small classifier (`readers`) reads those of other pictures. Models of other pictures have
no line-up and no reader.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from diffdemo.diffusion import metrics
from diffdemo.diffusion.posterior import top_variance
from diffdemo.pictures import digits, faces, images, matching
from diffdemo.pictures.readers import Reader, load_reader, true_values

# A picture is read as a face where the atlas can draw one this near: half the median distance of a
# face to the nearest of 10,000.
READABLE_RMSE = 0.12
READABLE_CONFIDENCE = 0.9  # a picture is read as a digit where the reader is surer than this


@dataclass(frozen=True)
class Attributes:
    """The attributes of one picture.

    Attributes:
        values: (A,) int64.
        visible: (A,) bool, whether another value would change a pixel.
    """

    values: Tensor
    visible: Tensor


@dataclass(frozen=True, eq=False)
class LineUp:
    """A set of pictures, equally probable before anything is seen.

    Attributes:
        name: "faces" or "digits".
        pictures: (N, C, H, W) in [-1, 1].
        names: of the N pictures, as experiments write them.
        values: (N, A) int64, the attributes of each picture.
        attributes: names of the A attributes.
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
        """Largest eigenvalue of the pictures' covariance."""
        return top_variance(self.pictures)

    def read(self, x: Tensor) -> Tensor:
        """Read the attributes of pictures: (B, C, H, W) → (B, A) int64, A = 0 without a reader."""
        return self.reader.read(x) if self.reader else torch.zeros(len(x), 0, dtype=torch.int64)

    def with_picture(self, x0: Tensor, text: str) -> tuple["LineUp", int]:
        """Add the picture x0, (1, C, H, W), unless the line-up has an equal one.

        Returns:
            the line-up, and the picture's place in it.
        """
        equal = (self.pictures == x0).flatten(1).all(1).nonzero().flatten()
        if len(equal):
            return self, int(equal[0])
        longer = replace(
            self,
            pictures=torch.cat([self.pictures, x0]),
            names=(*self.names, text),
            values=torch.cat([self.values, self.read(x0)]),
        )
        return longer, len(self)

    def describe(self, text: str, x0: Tensor) -> Attributes | None:
        """Return the attributes of a picture that an experiment names; None if unreadable."""
        if self.reader is None:
            return None
        values = self.reader.read(x0)[0]
        if self.name == "faces":
            choices = _face_choices(text, x0)
            if choices is None:
                return None
            return Attributes(values, torch.from_numpy(faces.visible(choices)[0]))
        sure = float(self.reader.confidence(x0).min()) > READABLE_CONFIDENCE
        if text.startswith("digit:") or sure:
            return Attributes(values, torch.ones(1, dtype=torch.bool))
        return None

    def attributes_kept(self, original: Attributes, x: Tensor) -> Tensor:
        """Return the share of the visible attributes that pictures have: (B, C, H, W) → (B,)."""
        return _agreement(original, self.read(x))

    def kept_by_chance(self, original: Attributes) -> float:
        """Return the share of the visible attributes that an unrelated picture has."""
        return float(_agreement(original, self.values).mean())

    def attributes_shared(self, x: Tensor) -> float:
        """Return the share of attributes that two pictures have in common.

        Args:
            x: (B, C, H, W), B >= 2; the share is the mean over all pairs.
        """
        return _shared(self.read(x))

    @cached_property
    def shared_by_chance(self) -> float:
        """The share of attributes that two pictures of the line-up have in common."""
        return _shared(self.values)

    def value_name(self, attribute: int, value: int) -> str:
        """Return a value of an attribute in words."""
        if self.name == "digits":
            return str(value)
        return faces.value_name(faces.ATTRIBUTES[self.attributes[attribute]], value)


def _face_choices(text: str, x0: Tensor) -> np.ndarray | None:
    """Return the choices of a face, (1, columns); None if the picture is no face."""
    if text.startswith("face:"):
        seed = int(text.removeprefix("face:"))
        return faces.choose(np.array([seed]))
    reading = matching.read(images.to_pixels(x0))
    return None if reading.rmse[0] > READABLE_RMSE else reading.choices


def _agreement(original: Attributes, values: Tensor) -> Tensor:
    """Return the share of the visible attributes that rows of values agree on: (B, A) → (B,)."""
    return (values == original.values)[:, original.visible].float().mean(1)


def _shared(values: Tensor) -> float:
    """Return the share of equal values, (N, A), over all attributes and pairs of different rows."""
    rows = len(values)
    shares = []
    for column in values.T:
        same = column.unique(return_counts=True)[1].double()
        shares.append(float((same * (same - 1)).sum()) / (rows * (rows - 1)))
    return sum(shares) / len(shares)


@cache
def line_up(name: str) -> LineUp:
    """Return the line-up of a bundled model: "faces" or "digits"."""
    if name == "digits":
        prefix = "digit"
        pixels, labels = digits.line_up()
        values = torch.from_numpy(labels)[:, None]
    else:
        prefix = "face"
        choices = faces.choose(np.arange(faces.LINE_UP))
        pixels = faces.draw(choices)
        values = torch.from_numpy(true_values(choices))
    names = tuple(f"{prefix}:{index}" for index in range(len(pixels)))
    reader = load_reader(name)
    return LineUp(name, images.from_uint8(pixels), names, values, reader.attributes, reader)


@cache
def unrelated_rmse(name: str) -> float:
    """Return the mean RMSE between pictures of a line-up, on the [-1, 1] scale."""
    return metrics.unrelated_rmse(line_up(name).pictures[:200])
