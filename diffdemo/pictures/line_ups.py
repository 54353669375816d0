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
from diffdemo.pictures import digits, faces, images, kinds
from diffdemo.pictures.readers import Reader, load_reader, true_values

# A picture is read as a face where the atlas can draw one this near: half the median distance of a
# face to the nearest of 10,000.
READABLE_RMSE = 0.12
PREFIXES = {"faces": "face", "digits": "digit"}  # of the names of pictures, by line-up
READABLE_CONFIDENCE = 0.9  # a picture is read as a digit where the reader is surer than this


@dataclass(frozen=True)
class Attributes:
    """The attributes of one picture.

    Attributes:
        values: (A,) int64, the true ones where the picture was drawn from them.
        visible: (A,) bool, whether another value would change a pixel.
        read: (A,) int64, what the reader reads from the picture itself; it is wrong now and then.
    """

    values: Tensor
    visible: Tensor
    read: Tensor


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

    def names_own(self, text: str) -> bool:
        """Whether an experiment's name of a picture says that it is of the line-up's own kind."""
        return text.startswith(f"{PREFIXES.get(self.name)}:")

    def foreign(self, text: str, x0: Tensor) -> bool:
        """Whether a picture is of another kind than the line-up: a photo, say, among faces.

        Args:
            text: how an experiment names the picture; a name of the line-up's own kind is trusted.
            x0: (1, C, H, W), the picture.
        """
        if self.reader is None or self.names_own(text):
            return False
        return not (kinds.is_face(x0) if self.name == "faces" else kinds.is_digit(x0))

    def describe(self, text: str, x0: Tensor) -> Attributes | None:
        """Return the attributes of a picture that an experiment names; None if unreadable."""
        if self.reader is None or self.foreign(text, x0):
            return None
        read = self.reader.read(x0)[0]
        if self.name == "faces":
            choices = _face_choices(text, x0)
            if choices is None:
                return None
            values = torch.from_numpy(true_values(choices)[0])
            return Attributes(values, torch.from_numpy(faces.visible(choices)[0]), read)
        visible = torch.ones(1, dtype=torch.bool)
        if text.startswith("digit:"):
            index = int(text.removeprefix("digit:"))
            return Attributes(torch.from_numpy(digits.line_up()[1][[index]]), visible, read)
        sure = float(self.reader.confidence(x0).min()) > READABLE_CONFIDENCE
        return Attributes(read, visible, read) if sure else None

    def read_beside(self, original: Attributes, x: Tensor) -> Tensor:
        """Read what pictures show of an original: (B, C, H, W) → (B, A) int64.

        Where a picture is read as the original itself is read, it has the original's value, even
        if the reader takes that for another one.
        """
        values = self.read(x)
        return torch.where(values == original.read, original.values, values)

    def attributes_kept(self, original: Attributes, x: Tensor) -> Tensor:
        """Return the share of the visible attributes that pictures have: (B, C, H, W) → (B,)."""
        return agreement(original, self.read_beside(original, x))

    def kept_by_chance(self, original: Attributes) -> float:
        """Return the share of the visible attributes that an unrelated picture has."""
        return float(agreement(original, self.values).mean())

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
        """Return a value of an attribute in words, as "long hair 4" or "7"."""
        if self.name == "digits":
            return str(value)
        return faces.value_name(faces.ATTRIBUTES[self.attributes[attribute]], value)


def _face_choices(text: str, x0: Tensor) -> np.ndarray | None:
    """Return the choices of a face, (1, columns); None if no drawable face is near enough."""
    if text.startswith("face:"):
        seed = int(text.removeprefix("face:"))
        return faces.choose(np.array([seed]))
    reading = kinds.nearest_face(x0)
    return None if reading.rmse[0] > READABLE_RMSE else reading.choices


def agreement(original: Attributes, values: Tensor) -> Tensor:
    """Return the share of the visible attributes that rows of values have: (B, A) → (B,)."""
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
        pixels, labels = digits.line_up()
        values = torch.from_numpy(labels)[:, None]
    else:
        choices = faces.choose(np.arange(faces.LINE_UP))
        pixels = faces.draw(choices)
        values = torch.from_numpy(true_values(choices))
    names = tuple(f"{PREFIXES[name]}:{index}" for index in range(len(pixels)))
    reader = load_reader(name)
    return LineUp(name, images.from_uint8(pixels), names, values, reader.attributes, reader)


@cache
def unrelated_rmse(name: str) -> float:
    """Return the mean RMSE between pictures of a line-up, on the [-1, 1] scale."""
    return metrics.unrelated_rmse(line_up(name).pictures[:200])
