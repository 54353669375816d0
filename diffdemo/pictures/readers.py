"""Small classifiers that answer "is it the same?".

One reads the 14 attributes of a 16x16 face, one the class of a 32x32 digit. Each is a small network
from a picture to one logit for every value of every attribute: convolutions that each halve the
side, one hidden layer, batch normalisation throughout. A softmax over the values of an attribute
gives p(value | picture); the most probable value is what is read. The networks learn from pictures
that were also blurred, mixed and made noisy (`training.readers`), so they read what a diffusion
model draws as well as clean pictures. They never average positions away: in a face, two pixels that
are always at the same place decide the colour of the eyes.

References:
    Ioffe, Szegedy, 2015, Batch normalization, algorithm 2, arXiv 1502.03167; its statistics are
        fixed when reading.
    LeCun, Bottou, Bengio, Haffner, 1998, Gradient-based learning applied to document recognition,
        fig. 2.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from diffdemo.errors import DiffdemoError, ModelError
from diffdemo.pictures import digits, faces, images

WEIGHTS = Path(__file__).parent.parent / "weights"
BLUR = 0.5  # pixels, the blur that `accuracy` measures faces under
_CHUNK = 256


@dataclass(frozen=True)
class Architecture:
    """The shape of a reader's network.

    Attributes:
        shape: (C, S, S) of the pictures.
        widths: channels of the convolutions, each of which halves the side.
        hidden: width of the layer before the logits.
    """

    shape: tuple[int, int, int]
    widths: tuple[int, ...]
    hidden: int


ARCHITECTURES = {
    "faces": Architecture((3, faces.SIDE, faces.SIDE), (64, 64), 352),
    "digits": Architecture((1, digits.SIDE, digits.SIDE), (32, 64, 64), 192),
}


@dataclass(frozen=True, eq=False)
class Reader:
    """A trained classifier of pictures.

    Every method takes pictures, (B, C, S, S) in [-1, 1]; values outside are cut off. It raises a
    DiffdemoError for pictures of another shape or of whole numbers.

    Attributes:
        name: "faces" or "digits".
        attributes: names of the A attributes.
        values: for each attribute the values it can take; -1 = absent.
        network: (B, C, S, S) → (B, total number of values) logits, attribute by attribute.
    """

    name: str
    attributes: tuple[str, ...]
    values: tuple[range, ...]
    network: nn.Sequential

    def read(self, pictures: Tensor) -> Tensor:
        """Return the most probable value of each attribute, (B, A) int64."""
        first = torch.tensor([values.start for values in self.values])
        return self._most_probable(pictures)[1] + first

    def confidence(self, pictures: Tensor) -> Tensor:
        """Return the probability of each value that `read` returns, (B, A) float32 in (0, 1]."""
        return self._most_probable(pictures)[0]

    def features(self, pictures: Tensor) -> Tensor:
        """Return the input of the last layer, (B, hidden) float32; it compares sets of pictures."""
        return self._apply(self.network[:-1], pictures, ARCHITECTURES[self.name].hidden)

    def _most_probable(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the largest probability of each attribute and its index, (B, A) each."""
        counts = [len(values) for values in self.values]
        logits = self._apply(self.network, pictures, sum(counts))
        largest = [part.softmax(1).max(1) for part in logits.split(counts, 1)]
        probabilities = torch.stack([found.values for found in largest], 1)
        return probabilities, torch.stack([found.indices for found in largest], 1)

    @torch.no_grad()
    def _apply(self, network: nn.Module, pictures: Tensor, width: int) -> Tensor:
        """Apply a network to pictures, chunk by chunk; returns (B, width)."""
        self._check(pictures)
        pictures = pictures.detach().to("cpu", torch.float32).clamp(-1, 1)
        parts = [network(chunk) for chunk in pictures.split(_CHUNK)] if len(pictures) else []
        return torch.cat([*parts, torch.empty(0, width)])

    def _check(self, pictures: Tensor) -> None:
        shape = ARCHITECTURES[self.name].shape
        takes = f"The reader of {self.name} takes pictures"
        if pictures.ndim != 4 or tuple(pictures.shape[1:]) != shape:
            expected = " x ".join(map(str, ("B", *shape)))
            found = " x ".join(map(str, pictures.shape)) or "a single number"
            raise DiffdemoError(f"{takes} of shape {expected}, not {found}.")
        if not pictures.is_floating_point():
            raise DiffdemoError(
                f"{takes} in [-1, 1] as floating-point numbers, not {pictures.dtype}."
            )


def build(name: str) -> nn.Sequential:
    """Build the untrained network of a reader: (B, C, S, S) → logits of all values.

    Raises:
        ModelError: there is no reader of that name.
    """
    if name not in ARCHITECTURES:
        known = " and ".join(ARCHITECTURES)
        raise ModelError(f"There is no reader {name!r}: the ones there are read {known}.")
    architecture = ARCHITECTURES[name]
    channels, side, _ = architecture.shape
    layers: list[nn.Module] = []
    for before, width in pairwise((channels, *architecture.widths)):
        convolution = nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
        side //= 2
    hidden = architecture.hidden
    layers += [nn.Flatten(), nn.Linear(width * side**2, hidden, bias=False)]
    layers += [nn.BatchNorm1d(hidden), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, sum(map(len, attribute_values(name)))))


def wrap(name: str, network: nn.Sequential) -> Reader:
    """Make a Reader of a network from `build(name)`, and put the network into evaluation mode."""
    attributes = tuple(faces.ATTRIBUTES) if name == "faces" else ("class",)
    network = network.float().eval().requires_grad_(False)
    return Reader(name, attributes, attribute_values(name), network)


@cache
def load_reader(name: str) -> Reader:
    """Load the bundled reader of a name, "faces" or "digits".

    Raises:
        ModelError: there is no reader of that name, or its file is missing or damaged.
    """
    network = build(name)
    path = WEIGHTS / f"reader-{name}.safetensors"
    if not path.is_file():
        raise ModelError(
            f"The weights of the reader of {name} are missing: "
            f"{path} comes from `python -m diffdemo train reader-{name}`."
        )
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ModelError(
            f"The file {path} does not hold the reader of {name}; please install diffdemo again."
        ) from error
    return wrap(name, network)


def attribute_values(name: str) -> tuple[range, ...]:
    """Return the values each attribute of a reader can take; -1 = absent comes first."""
    if name == "digits":
        return (range(digits.CLASSES),)
    return tuple(faces.atlas().values(column) for column in faces.ATTRIBUTES.values())


def true_values(choices: np.ndarray) -> np.ndarray:
    """Return the attributes of drawn faces: (B, columns) → (B, 14) int64."""
    return choices[:, faces.attribute_columns()].astype(np.int64)


def blur(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Blur each row with a Gaussian of its own width.

    y = K x K^T, with K_ij proportional to exp(-(i - j)^2 / 2 sigma^2) and rows of sum 1.

    Args:
        pictures: (B, C, S, S).
        sigma: (B,) standard deviations in pixels, 0 = untouched.
    """
    place = torch.arange(pictures.shape[-1], dtype=pictures.dtype)
    distance = (place[:, None] - place).square()
    variance = sigma.clamp(min=0.05).view(-1, 1, 1, 1).square()
    kernel = (-distance / (2 * variance)).softmax(-1)
    return kernel @ pictures @ kernel.mT


def accuracy(reader: Reader, count: int | None = None) -> dict[str, float]:
    """Measure how often a reader is right on pictures it was never trained on.

    Faces: the share of fresh faces, from faces.EVALUATION_SEED up, whose attribute is read right,
    among those where it is visible (`faces.visible`); the mean over the 14 attributes, "clean" and
    "blurred" (sigma = BLUR). Digits: the share of the MNIST "test" set.

    Args:
        reader: what is measured.
        count: number of pictures; None = 500 faces or all 10,000 digits.

    Returns:
        name of the measure → share in [0, 1].
    """
    if reader.name == "digits":
        drawn, labels = (part[:count] for part in digits.line_up())
        read = reader.read(images.from_uint8(drawn))[:, 0]
        return {"test": float((read == torch.from_numpy(labels)).float().mean())}
    choices = faces.choose(np.arange(count or 500) + faces.EVALUATION_SEED)
    clean = images.from_uint8(faces.draw(choices))
    blurred = blur(clean, torch.full((len(clean),), BLUR))
    true = torch.from_numpy(true_values(choices))
    visible = torch.from_numpy(faces.visible(choices))
    shares = {}
    for name, pictures in {"clean": clean, "blurred": blurred}.items():
        right = (reader.read(pictures) == true) & visible
        shares[name] = float((right.sum(0) / visible.sum(0)).nanmean())
    return shares
