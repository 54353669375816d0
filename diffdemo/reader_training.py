"""Train the readers from scratch: `python -m diffdemo train reader-faces --minutes 5`, `python -m diffdemo train reader-digits`.

The loss is the mean over attributes of the cross-entropy, -log p(value | picture). Faces come from an endless stream whose
choices are the targets; an attribute that does not show in a face is left in, as it can teach nothing but its own frequency
(finding it out, `faces.seen`, would take far longer than the step itself). Digits come from MNIST, shuffled anew each epoch.
Every picture is disturbed before it is shown: blurred, mixed with another one, its contrast lowered, noise added; digits are moved,
turned and scaled too. AdamW, its rate decayed by a half cosine over the time; what is kept is a moving average of the weights.

References:
    LeCun, Bottou, Bengio, Haffner, 1998, Gradient-based learning applied to document recognition (MNIST).
    Loshchilov, Hutter, 2019, Decoupled weight decay regularization, arXiv 1711.05101.
    Polyak, Juditsky, 1992, Acceleration of stochastic approximation by averaging, SIAM J. Control Optim. 30(4).
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import torch as safetensors
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from diffdemo import digits, faces, images, readers
from diffdemo.errors import DiffdemoError
from diffdemo.fitting import DATA, Report, rate, shuffled

BLUR, NOISE, MIXING, PALING = 0.8, 0.05, 0.08, 0.02  # largest disturbances: pixels, standard deviation, two shares; some colours differ by 0.04
SHIFT, TURN, SCALE = 2.0, 12.0, 0.12  # largest movements of a digit: pixels, degrees, share

Batch = tuple[Tensor, Tensor]
Stream = Callable[[int, int], Batch]


@dataclass(frozen=True)
class Recipe:
    """How one reader is trained.

    Attributes:
        source: folder of data sets → a stream: first index, count → pictures (count, C, H, W) and their values (count, A).
        moves: whether pictures are shifted, turned and scaled.
        rate: peak learning rate, reached after `warm_up` steps, then decayed by a half cosine to zero at the end of the time.
        size: pictures a step.
        memory: horizon of the moving average of the weights, in steps.
    """

    source: Callable[[Path], Stream]
    moves: bool
    rate: float = 3e-3
    warm_up: int = 100
    size: int = 128
    memory: int = 100


def _faces(_: Path) -> Stream:
    def stream(first: int, count: int) -> Batch:
        choices = faces.choose(np.arange(first, first + count) + faces.TRAINING_SEED)
        return images.from_uint8(faces.draw(choices)), torch.from_numpy(readers.truth(choices))

    return stream


def _digits(data: Path) -> Stream:
    pictures, labels = digits.read_mnist(data, "train")

    def stream(first: int, count: int) -> Batch:
        rows = shuffled(len(pictures), first, count)
        return images.from_uint8(digits.pad(pictures[rows])), torch.from_numpy(labels[rows].astype(np.int64))[:, None]

    return stream


RECIPES = {"faces": Recipe(_faces, moves=False), "digits": Recipe(_digits, moves=True)}


def disturb(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """What a diffusion model may do to a picture: each row blurred, mixed with the next, paled and made noisy, by its own random amounts.

    Args:
        pictures: (B, C, S, S) in [-1, 1].
        generator: the source of all randomness here.

    Returns:
        (B, C, S, S) in [-1, 1].
    """
    share = torch.rand(4, len(pictures), 1, 1, 1, generator=generator)
    x = readers.blur(pictures, BLUR * share[0].flatten())
    x = x.lerp(x.roll(1, 0), MIXING * share[1].square())
    x = x * (1 - PALING * share[2])
    return (x + NOISE * share[3].square() * torch.randn(x.shape, generator=generator)).clamp(-1, 1)


def move(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, turn and scale each picture by its own random amounts, bilinear, black around: (B, C, S, S) in [-1, 1] → the same."""
    amount = 2 * torch.rand(4, len(pictures), generator=generator) - 1
    angle, scale = math.radians(TURN) * amount[0], 1 + SCALE * amount[1]
    shift = amount[2:] * 2 * SHIFT / pictures.shape[-1]
    rows = [scale * angle.cos(), -scale * angle.sin(), shift[0], scale * angle.sin(), scale * angle.cos(), shift[1]]
    grid = affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(pictures.shape), align_corners=False)
    return grid_sample(pictures + 1, grid, align_corners=False) - 1


class Trainer:
    """One training run; `fit` is a generator that yields a Report after every step, so the caller shows or stops.

    Args:
        name: "faces" or "digits", the reader to train.
        recipe: how.
        seconds: how long in all.
        data: folder of the data set, where the recipe needs one.
        seed: names the first weights and, with the step, the disturbances of each batch.
    """

    def __init__(self, name: str, recipe: Recipe, seconds: float, data: Path = DATA, seed: int = 0):
        self.name, self.recipe, self.seconds, self.seed = name, recipe, seconds, seed
        self.stream = recipe.source(data)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = readers.build(name)
        self.sizes = [len(values) for values in readers.values(name)]
        self.starts = torch.tensor([values.start for values in readers.values(name)])
        self.average = {key: value.detach().clone() for key, value in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=recipe.rate, betas=(0.9, 0.99), weight_decay=0.02)
        self.step, self.spent, self.loss = 0, 0.0, math.nan

    def fit(self) -> Iterator[Report]:
        """Train until the time is used up."""
        start = time.monotonic()
        self.network.train()
        while (share := self.spent / self.seconds) < 1:
            loss = self._update(share)
            self.step += 1
            self.loss = loss if math.isnan(self.loss) else self.loss + (loss - self.loss) / min(self.step, 100)
            self.spent = time.monotonic() - start
            yield Report(self.step, self.step * self.recipe.size, self.spent, self.spent / self.seconds, self.loss)

    def _update(self, share: float) -> float:
        self.optimizer.param_groups[0]["lr"] = rate(self.recipe.rate, self.recipe.warm_up, self.step, share)
        loss = self._loss()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._remember()
        return float(loss.detach())

    def _loss(self) -> Tensor:
        """Mean over attributes of the cross-entropy of the next batch."""
        pictures, values = self.stream(self.step * self.recipe.size, self.recipe.size)
        generator = torch.Generator().manual_seed(self.seed * 2**32 + self.step)
        if self.recipe.moves:
            pictures = move(pictures, generator)
        pictures = disturb(pictures, generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_amx_tile_supported()):
            logits = self.network(pictures)
        parts, places = logits.float().split(self.sizes, 1), (values - self.starts).unbind(1)
        return torch.stack([cross_entropy(part, place) for part, place in zip(parts, places, strict=True)]).mean()

    def _remember(self) -> None:
        """Move the average of the weights, and of the statistics of the normalisation, towards the present ones."""
        weight = 1 / min(self.step + 1, self.recipe.memory)
        for key, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.average[key].lerp_(value.detach(), weight)

    def reader(self) -> readers.Reader:
        """The reader with the averaged weights, as it would be saved now."""
        network = readers.build(self.name)
        network.load_state_dict(self.average)
        return readers.wrap(self.name, network.half())


def train_reader(name: str, minutes: float, out: Path, data: Path = DATA) -> Iterator[Report]:
    """Train a reader and write it to `out` at the end; yields every step.

    Args:
        name: "faces" or "digits".
        minutes: how long.
        out: file for the averaged weights, safetensors in half precision.
        data: folder of the MNIST files (see `digits.read_mnist`), for the digits.

    Raises:
        DiffdemoError: there is no recipe of that name, the time is not positive, `out` is a folder, or the data set is missing.
    """
    if name not in RECIPES:
        raise DiffdemoError(f"There is no reader {name!r} to train: the ones there are reader-{' and reader-'.join(RECIPES)}.")
    if not minutes > 0:
        raise DiffdemoError(f"The training time is a number of minutes above 0, not {minutes:g}.")
    if out.is_dir():
        raise DiffdemoError(f"The weights of a reader go into a file, and {out} is a folder; please add a name that ends in .safetensors.")
    return _train(Trainer(name, RECIPES[name], minutes * 60, data), out)


def _train(trainer: Trainer, out: Path) -> Iterator[Report]:
    yield from trainer.fit()
    save(trainer.reader().network, out)


def save(network: nn.Module, out: Path) -> None:
    """Write the weights of a reader's network in half precision."""
    out.parent.mkdir(parents=True, exist_ok=True)
    weights = {key: value.half() if value.is_floating_point() else value for key, value in network.state_dict().items()}
    out.write_bytes(safetensors.save(weights))
