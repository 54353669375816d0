"""The training loop of all recipes: clock, learning rate, averaged weights, reports, state.

The weights are float32 throughout, also where the network computes in bfloat16. The result is a
running average of the weights. Under `accelerate launch` every process computes its own pictures,
and all of them move by the mean of their gradients.

References:
    Polyak, Juditsky, 1992, Acceleration of stochastic approximation by averaging, SIAM J. Control
    Optim. 30(4).
"""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

from diffdemo.errors import DiffdemoError
from diffdemo.training.checkpoints import Origin, State
from diffdemo.training.clock import Clock
from diffdemo.training.recipe import Options, Recipe

PICTURES = 2**24  # set aside for each seed, so that a second training sees other pictures


@dataclass(frozen=True)
class Report:
    """Where a training run stands.

    Attributes:
        step: steps done.
        pictures: pictures seen.
        seconds: computing time so far, resumed parts included.
        total: computing time in all, in seconds.
        loss: running mean.
    """

    step: int
    pictures: int
    seconds: float
    total: float
    loss: float

    @property
    def share(self) -> float:
        """Share of the computing time that is used up."""
        return self.seconds / self.total


class Trainer:
    """One training run.

    Args:
        recipe: what to train, and how.
        total: computing time in all, in seconds, resumed parts included.
        options: seed, data, start, dtype and device.

    Raises:
        DiffdemoError: the data set is missing, `start` does not fit, or there is no such device.
    """

    def __init__(self, recipe: Recipe, total: float, options: Options):
        self.recipe = recipe
        self.total = total
        self.options = options
        self.accelerator = _accelerator(options.device)
        self.device: torch.device = self.accelerator.device
        self.dtype = options.dtype or fast_dtype(self.device)
        self.stream = recipe.source(options.data)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            self.network = recipe.build(options.start).to(self.device)
        average = running_mean(recipe.horizon)
        self.average = AveragedModel(self.network, multi_avg_fn=average, use_buffers=True)
        self.optimizers = recipe.optimizers(self.network)
        self.step = 0
        self.seconds = 0.0
        self.loss = 0.0

    def run(self) -> Iterator[Report]:
        """Train until the time is used up; yield a report after every step."""
        clock = Clock(self.device)
        while self.seconds < self.total:
            self._update()
            self.seconds = self._agreed(self.seconds + clock.tick())
            pictures = self.step * self.recipe.size * self.accelerator.num_processes
            yield Report(self.step, pictures, self.seconds, self.total, self.loss)

    def _update(self) -> None:
        loss, reported = self._losses()
        self.network.zero_grad()
        self.accelerator.backward(loss)
        self._average_gradients()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = self._rate()
            optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        weight = 1 / min(self.step, self.recipe.horizon)
        self.loss += weight * (float(reported.detach()) - self.loss)

    def _losses(self) -> tuple[Tensor, Tensor]:
        """Return the losses of the next batch, whose randomness the seed and its index name."""
        seed = self.options.seed
        index = self.step * self.accelerator.num_processes + self.accelerator.process_index
        size = self.recipe.size
        batch = self.stream(seed * PICTURES + index * size, size)
        generator = torch.Generator().manual_seed(seed * 2**32 + index)
        return self.recipe.loss(self.network, batch, generator, self.dtype)

    def _rate(self) -> float:
        """Return the learning rate of this step: a linear warm-up times a half cosine."""
        peak = self.recipe.rate / 2 if self.options.start else self.recipe.rate
        warm_up = min(1.0, (self.step + 1) / self.recipe.warm_up)
        return peak * warm_up * 0.5 * (1 + math.cos(math.pi * self.seconds / self.total))

    def _average_gradients(self) -> None:
        if self.accelerator.num_processes > 1:
            for weight in self.network.parameters():
                weight.grad = self.accelerator.reduce(weight.grad, "mean")

    def _agreed(self, seconds: float) -> float:
        """Return the first process's time, so that no process stops before another."""
        if self.accelerator.num_processes == 1:
            return seconds
        own = seconds if self.accelerator.is_main_process else 0.0
        clock = torch.tensor([own], dtype=torch.float64, device=self.device)
        return float(self.accelerator.reduce(clock, "sum"))

    def origin(self) -> Origin:
        """Return what this run began with, by which a later start knows it again."""
        start = self.options.start
        return {
            "recipe": repr(self.recipe),
            "seed": self.options.seed,
            "start": str(start.resolve()) if start else "",
        }

    def state(self) -> State:
        """Return all that is needed to go on later."""
        return {
            "origin": self.origin(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss,
        }

    def restore(self, state: State) -> None:
        """Go on from a state of the same origin."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]
        self.seconds = state["seconds"]
        self.loss = state["loss"]

    def save(self, out: Path) -> None:
        """Write the averaged weights in half precision."""
        self.recipe.save(deepcopy(self.average.module).cpu(), out)


def running_mean(horizon: int) -> Callable[[PARAM_LIST, PARAM_LIST, Tensor | int], None]:
    """Return the update of averaged weights: the mean of all steps, then one of a fixed horizon.

    Counters of whole numbers keep their first value.
    """

    @torch.no_grad()
    def update(averages: PARAM_LIST, weights: PARAM_LIST, count: Tensor | int) -> None:
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, weights, 1 / min(int(count) + 1, horizon))

    return update


def fast_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the device multiplies it faster than float32, else float32."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported()
    else:
        fast = device.type == "cpu" and torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


def _accelerator(device: str | None) -> Accelerator:
    if device == "cuda" and not torch.cuda.is_available():
        raise DiffdemoError("There is no CUDA device here: give --device cpu, or leave it out.")
    return Accelerator(cpu=device == "cpu")
