"""Small classifiers that answer "is it the same?": the 14 attributes of a 16x16 face, the class of a 32x32 digit.

Both are the same small network, picture → one logit for every value of every attribute: convolutions that each halve the side,
one hidden layer over what they leave, batch normalisation throughout. A softmax over the values of each attribute gives
p(value | picture), and a reading is its mode. They learn from pictures that were also blurred, mixed and made noisy
(`reader_training`), so they read what a diffusion model draws as well as what is clean. Position is kept, never averaged away: in
a face two pixels, always at the same place, decide the colour of the eyes.

References:
    Ioffe, Szegedy, 2015, Batch normalization, algorithm 2 (its statistics are fixed when reading), arXiv 1502.03167.
    LeCun, Bottou, Bengio, Haffner, 1998, Gradient-based learning applied to document recognition, fig. 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from diffdemo import digits, faces, images
from diffdemo.errors import DiffdemoError, ModelError

WEIGHTS = Path(__file__).parent / "weights"
BLUR = 0.5  # pixels, the blur that `accuracy` measures faces under
_CHUNK = 256


@dataclass(frozen=True)
class Plan:
    """What one reader looks at, and how wide its network is.

    Attributes:
        shape: (C, S, S) of the pictures.
        widths: channels of the convolutions, each of which halves the side.
        hidden: width of the layer between the last convolution and the logits.
    """

    shape: tuple[int, int, int]
    widths: tuple[int, ...]
    hidden: int


PLANS = {
    "faces": Plan((3, faces.SIDE, faces.SIDE), (64, 64), 352),
    "digits": Plan((1, digits.SIDE, digits.SIDE), (32, 64, 64), 192),
}


@dataclass(frozen=True, eq=False)
class Reader:
    """A trained classifier of pictures.

    Attributes:
        name: "faces" or "digits".
        attributes: names of what is read.
        values: for each attribute the values it can take; -1 = absent.
        network: (B, C, H, W) → (B, total number of values) logits, attribute by attribute.
    """

    name: str
    attributes: tuple[str, ...]
    values: tuple[range, ...]
    network: nn.Sequential

    def read(self, pictures: Tensor) -> Tensor:
        """The most probable value of each attribute.

        Args:
            pictures: (B, C, H, W) in [-1, 1], any B; values outside are cut off.

        Returns:
            (B, A) int64, each a member of `values`, in the order of `attributes`.

        Raises:
            DiffdemoError: the pictures have another shape, or are whole numbers.
        """
        first = torch.tensor([values.start for values in self.values])
        return self._modes(pictures)[1] + first

    def confidence(self, pictures: Tensor) -> Tensor:
        """The probability the reader gives to what `read` returns.

        Args:
            pictures: (B, C, H, W) in [-1, 1], any B; values outside are cut off.

        Returns:
            (B, A) float32 in (0, 1], in the order of `attributes`.

        Raises:
            DiffdemoError: the pictures have another shape, or are whole numbers.
        """
        return self._modes(pictures)[0]

    def features(self, pictures: Tensor) -> Tensor:
        """What the layer before the logits makes of pictures, by which their distribution is compared with that of others.

        Args:
            pictures: (B, C, H, W) in [-1, 1], any B; values outside are cut off.

        Returns:
            (B, hidden) float32, none below 0.

        Raises:
            DiffdemoError: the pictures have another shape, or are whole numbers.
        """
        return self._through(self.network[:-1], pictures, PLANS[self.name].hidden)

    def _modes(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Largest probability of each attribute, (B, A), and its place among the values, (B, A)."""
        counts = [len(values) for values in self.values]
        modes = [part.softmax(1).max(1) for part in self._through(self.network, pictures, sum(counts)).split(counts, 1)]
        return torch.stack([mode.values for mode in modes], 1), torch.stack([mode.indices for mode in modes], 1)

    @torch.no_grad()
    def _through(self, network: nn.Module, pictures: Tensor, width: int) -> Tensor:
        """What a network makes of pictures, (B, width), chunk by chunk."""
        shape = PLANS[self.name].shape
        if pictures.ndim != 4 or tuple(pictures.shape[1:]) != shape:
            wanted, found = (" x ".join(map(str, part)) for part in (("B", *shape), pictures.shape))
            raise DiffdemoError(f"The reader of {self.name} takes pictures of shape {wanted}, not {found or 'a single number'}.")
        if not pictures.is_floating_point():
            raise DiffdemoError(f"The reader of {self.name} takes pictures in [-1, 1] as floating-point numbers, not {pictures.dtype}.")
        pictures = pictures.detach().to("cpu", torch.float32).clamp(-1, 1)
        parts = [network(chunk) for chunk in pictures.split(_CHUNK)] if len(pictures) else []
        return torch.cat([*parts, torch.empty(0, width)])


def build(name: str) -> nn.Sequential:
    """The untrained network of a reader: (B, C, H, W) → (B, V) logits, V values over all attributes, fewer than 500,000 weights.

    Raises:
        ModelError: there is no reader of that name.
    """
    _check(name)
    plan = PLANS[name]
    pairs = pairwise((plan.shape[0], *plan.widths))
    halved = [layer for a, b in pairs for layer in (nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())]
    features = plan.widths[-1] * (plan.shape[1] // 2 ** len(plan.widths)) ** 2
    dense = [nn.Linear(features, plan.hidden, bias=False), nn.BatchNorm1d(plan.hidden), nn.ReLU()]
    return nn.Sequential(*halved, nn.Flatten(), *dense, nn.Linear(plan.hidden, sum(map(len, values(name)))))


def wrap(name: str, network: nn.Sequential) -> Reader:
    """A Reader around a network of `build(name)`, which is put into evaluation mode."""
    attributes = tuple(faces.ATTRIBUTES) if name == "faces" else ("class",)
    return Reader(name, attributes, values(name), network.float().eval().requires_grad_(False))


@cache
def load_reader(name: str) -> Reader:
    """The bundled reader of that name, read once.

    Args:
        name: "faces" or "digits".

    Raises:
        ModelError: there is no reader of that name, or its file is missing or damaged.
    """
    _check(name)
    path = WEIGHTS / f"reader-{name}.safetensors"
    if not path.is_file():
        raise ModelError(f"The weights of the reader of {name} are missing: {path} comes from `python -m diffdemo train reader-{name}`.")
    network = build(name)
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ModelError(f"The file {path} does not hold the reader of {name}; please install diffdemo again.") from error
    return wrap(name, network)


def _check(name: str) -> None:
    if name not in PLANS:
        raise ModelError(f"There is no reader {name!r}: the ones there are read {' and '.join(PLANS)}.")


def values(name: str) -> tuple[range, ...]:
    """The values each attribute of a reader can take, -1 = absent first where it can be."""
    return tuple(faces.atlas().values(column) for column in faces.ATTRIBUTES.values()) if name == "faces" else (range(digits.CLASSES),)


def truth(choices: np.ndarray) -> np.ndarray:
    """The values a perfect reader finds in drawn faces: choices (B, columns) → (B, 14) int64, in the order of faces.ATTRIBUTES."""
    return choices[:, [faces.atlas().columns[column] for column in faces.ATTRIBUTES.values()]].astype(np.int64)


def blur(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur, each row with its own width: y = K x K^T, K_ij proportional to exp(-(i - j)^2 / 2 sigma^2), rows of sum 1.

    Args:
        pictures: (B, C, S, S).
        sigma: (B,) standard deviations in pixels, 0 = untouched.
    """
    place = torch.arange(pictures.shape[-1], dtype=pictures.dtype)
    distance = (place[:, None] - place).square()
    kernel = (-distance / (2 * sigma.clamp(min=0.05).view(-1, 1, 1, 1).square())).softmax(-1)
    return kernel @ pictures @ kernel.mT


def accuracy(reader: Reader, count: int | None = None) -> dict[str, float]:
    """How often a reader is right on pictures it was never trained on.

    Faces: the mean over the 14 attributes of the share read right among the faces where the attribute shows (`faces.seen`),
    on fresh faces from faces.EVALUATION_SEED up, "clean" and "blurred" (sigma = BLUR). Digits: the share of the MNIST "test" set.

    Args:
        reader: what is measured.
        count: number of pictures; None = 500 faces or all 10,000 digits.

    Returns:
        name of the measure → share in [0, 1].
    """
    return dict(_face_accuracy(reader, count or 500) if reader.name == "faces" else _digit_accuracy(reader, count))


def _face_accuracy(reader: Reader, count: int) -> Iterator[tuple[str, float]]:
    choices = faces.choose(np.arange(count) + faces.EVALUATION_SEED)
    pictures, target, seen = images.from_uint8(faces.draw(choices)), torch.from_numpy(truth(choices)), torch.from_numpy(faces.seen(choices))
    for name, sigma in (("clean", 0.0), ("blurred", BLUR)):
        right = (reader.read(blur(pictures, torch.full((count,), sigma))) == target) & seen
        yield name, float((right.sum(0) / seen.sum(0)).nanmean())


def _digit_accuracy(reader: Reader, count: int | None) -> Iterator[tuple[str, float]]:
    pictures, labels = (part[:count] for part in digits.line_up())
    read = reader.read(images.from_uint8(pictures))[:, 0]
    yield "test", float((read == torch.from_numpy(labels)).float().mean())
