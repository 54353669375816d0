"""Recipes of the readers: `python -m diffdemo train reader-faces`, or `train reader-digits`.

The loss is the mean over attributes of the cross-entropy, -log p(value | picture). An attribute
that does not show in a face stays in the loss: it can teach no more than its own frequency, and to
find it out (`faces.visible`) would take far longer than the step itself. Every picture is disturbed
before it is shown: blurred, mixed with another one, its contrast lowered, noise added. Digits are
shifted, turned and scaled too.

References:
    LeCun, Bottou, Bengio, Haffner, 1998, Gradient-based learning applied to document recognition
    (MNIST).
    Loshchilov, Hutter, 2019, Decoupled weight decay regularization, arXiv 1711.05101.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from diffdemo.errors import DiffdemoError
from diffdemo.pictures import readers
from diffdemo.training.recipe import Recipe
from diffdemo.training.streams import Batch, digit_stream, face_stream

# largest disturbances of a picture
BLUR = 0.8  # pixels
NOISE = 0.05  # standard deviation
MIXING = 0.08  # share of another picture
PALING = 0.02  # share of the contrast; some colours differ by 0.04

# largest movements of a digit
SHIFT = 2.0  # pixels
TURN = 12.0  # degrees
SCALE = 0.12  # share


@dataclass(frozen=True, kw_only=True)
class ReaderRecipe(Recipe):
    """How a reader is trained.

    Attributes:
        reader: "faces" or "digits".
        moves: whether pictures are shifted, turned and scaled.
    """

    reader: str
    moves: bool
    rate: float = 3e-3
    warm_up: int = 100
    size: int = 128
    horizon: int = 100

    def check(self, out: Path) -> None:
        """Refuse a folder, as a reader is a file."""
        if out.is_dir():
            raise DiffdemoError(
                f"The weights of a reader go into a file, and {out} is a folder; "
                "please add a name that ends in .safetensors."
            )

    def build(self, start: Path | None) -> nn.Module:
        """Return the network with random weights."""
        if start is not None:
            raise DiffdemoError("A reader is trained from scratch: please leave --start out.")
        return readers.build(self.reader)

    def optimizers(self, network: nn.Module) -> list[torch.optim.Optimizer]:
        """Return AdamW for all weights."""
        betas = (0.9, 0.99)
        return [torch.optim.AdamW(network.parameters(), self.rate, betas, weight_decay=0.02)]

    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Return the mean over attributes of the cross-entropy, twice."""
        pictures, values = batch
        if self.moves:
            pictures = move(pictures, generator)
        pictures = disturb(pictures, generator)
        device = next(network.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            logits = network(pictures.to(device)).float()
        ranges = readers.attribute_values(self.reader)
        parts = logits.split([len(choices) for choices in ranges], 1)
        targets = values - torch.tensor([choices.start for choices in ranges])
        pairs = zip(parts, targets.to(device).unbind(1), strict=True)
        loss = torch.stack([cross_entropy(part, target) for part, target in pairs]).mean()
        return loss, loss

    def save(self, network: nn.Module, out: Path) -> None:
        """Write the weights in half precision (safetensors)."""
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(save(network.half().state_dict()))


def disturb(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Disturb pictures as a diffusion model may: blur, mix with the next, pale and add noise.

    Args:
        pictures: (B, C, S, S) in [-1, 1].
        generator: source of the random amounts, one of each kind for each picture.

    Returns:
        (B, C, S, S) in [-1, 1].
    """
    share = torch.rand(4, len(pictures), 1, 1, 1, generator=generator)
    x = readers.blur(pictures, BLUR * share[0].flatten())
    x = x.lerp(x.roll(1, 0), MIXING * share[1].square())
    x = x * (1 - PALING * share[2])
    noise = torch.randn(x.shape, generator=generator)
    return (x + NOISE * share[3].square() * noise).clamp(-1, 1)


def move(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, turn and scale each picture by its own random amounts, bilinear, black around.

    Args:
        pictures: (B, C, S, S) in [-1, 1].
        generator: source of the random amounts.

    Returns:
        (B, C, S, S) in [-1, 1].
    """
    amount = 2 * torch.rand(4, len(pictures), generator=generator) - 1
    angle = math.radians(TURN) * amount[0]
    scale = 1 + SCALE * amount[1]
    shift = amount[2:] * 2 * SHIFT / pictures.shape[-1]
    cos = scale * angle.cos()
    sin = scale * angle.sin()
    rows = torch.stack([cos, -sin, shift[0], sin, cos, shift[1]], 1)
    grid = affine_grid(rows.view(-1, 2, 3), list(pictures.shape), align_corners=False)
    return grid_sample(pictures + 1, grid, align_corners=False) - 1


FACES = ReaderRecipe(
    name="reader-faces",
    source=face_stream,
    out=readers.WEIGHTS / "reader-faces.safetensors",
    minutes=5,
    reader="faces",
    moves=False,
)
DIGITS = ReaderRecipe(
    name="reader-digits",
    source=digit_stream,
    out=readers.WEIGHTS / "reader-digits.safetensors",
    minutes=5,
    reader="digits",
    moves=True,
)
