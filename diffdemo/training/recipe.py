"""What the training loop needs to know about a network: its recipe, and options of one run."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from diffdemo.training.streams import DATA, Batch, Stream


@dataclass(frozen=True)
class Options:
    """Options of one training run.

    Attributes:
        data: folder of the MNIST files, for the digits.
        seed: names the first weights, the pictures seen and the noise.
        start: finished weights to begin with, at half the rate; None = from scratch.
        dtype: what the network computes in; None = bfloat16 where that is fast, else float32.
        device: "cpu" or "cuda"; None = the best there is.
    """

    data: Path = DATA
    seed: int = 0
    start: Path | None = None
    dtype: torch.dtype | None = None
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """How one network is trained. Its repr identifies it in a saved state.

    Attributes:
        name: what `train` calls it.
        source: folder of data sets → the stream of training pictures.
        out: where the result goes by default.
        minutes: default computing time.
        rate: peak learning rate.
        warm_up: steps to the peak.
        size: pictures a step and process.
        horizon: steps that the averages of the weights and of the reported loss reach back.
        clip: largest norm of the gradient.
    """

    name: str
    source: Callable[[Path], Stream] = field(repr=False)
    out: Path = field(repr=False)
    minutes: float = field(repr=False)
    rate: float
    warm_up: int
    size: int
    horizon: int
    clip: float = math.inf

    @abstractmethod
    def check(self, out: Path) -> None:
        """Raise a DiffdemoError if the result cannot be written there."""

    @abstractmethod
    def build(self, start: Path | None) -> nn.Module:
        """Return the network in float32, with the weights in `start` or random ones.

        Raises:
            DiffdemoError: `start` does not hold weights of this network.
        """

    @abstractmethod
    def optimizers(self, network: nn.Module) -> list[torch.optim.Optimizer]:
        """Return the optimizers that share the weights of the network."""

    @abstractmethod
    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Return the loss to minimise, and the loss to report.

        Args:
            network: the network, float32.
            batch: pictures and their values, on the CPU.
            generator: source of all randomness, on the CPU.
            dtype: what the network computes in.
        """

    @abstractmethod
    def save(self, network: nn.Module, out: Path) -> None:
        """Write a network in half precision."""
