"""Train the bundled models: `python -m diffdemo train faces --minutes 75`, or the same under `accelerate launch`.

The network predicts v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0. Its loss at level n is weighted by max(alpha_bar, FLOOR):
alpha_bar |v_hat - v|^2 is exactly the usual |eps_hat - eps|^2, and the floor keeps x0_hat meaningful at high n, where the
noise alone says nothing about it. The weights live in float32, each convolution as a matrix: Muon orthogonalises the update of
every matrix inside the network, AdamW serves the first and last layer and all vectors. The network itself computes in bfloat16
where the processor multiplies it faster. Faces come from an endless stream, none is seen twice; digits from MNIST, shuffled anew each epoch.

References:
    Ho, Jain, Abbeel, 2020, Denoising Diffusion Probabilistic Models, eq. 14, arXiv 2006.11239.
    Salimans, Ho, 2022, Progressive Distillation, section 4 and appendix D (v-prediction), arXiv 2202.00512.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

from diffdemo import digits, faces, images
from diffdemo.errors import DiffdemoError
from diffdemo.fitting import DATA, Report, rate, shuffled
from diffdemo.models import load_model
from diffdemo.muon import Muon

T = 1000
FLOOR = 0.05
SAVE_SECONDS = 120
PICTURES = 2**24  # set aside for each seed of a stream, so that a second training sees others than the first
DTYPES = {"auto": None, "float32": torch.float32, "bfloat16": torch.bfloat16}


Stream = Callable[[int, int], torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """How one bundled model is trained.

    Attributes:
        network: arguments of UNet2DModel.
        source: folder of data sets → a stream of training pictures: first index, count → (count, C, H, W) float32 in [-1, 1].
        rate: peak learning rate, reached after `warm_up` steps, then decayed by a half cosine to zero at the end of the time.
        size: pictures a step and process.
        memory: horizon of the moving average of the weights, in steps.
    """

    network: dict
    source: Callable[[Path], Stream]
    rate: float = 2e-3
    warm_up: int = 200
    size: int = 64
    memory: int = 400


def _faces(_: Path) -> Stream:
    def stream(first: int, count: int) -> torch.Tensor:
        return images.from_uint8(faces.pictures(np.arange(first, first + count) + faces.TRAINING_SEED))

    return stream


def _digits(data: Path) -> Stream:
    pictures = digits.pad(digits.read_mnist(data, "train")[0])

    def stream(first: int, count: int) -> torch.Tensor:
        return images.from_uint8(pictures[shuffled(len(pictures), first, count)])

    return stream


def _network(side: int, channels: int, widths: tuple[int, ...], attention: int) -> dict:
    """Arguments of UNet2DModel: one layer a block, attention in the blocks of one resolution only."""
    blocks = [("Attn" if place == attention else "") for place in range(len(widths))]
    return {
        "sample_size": side,
        "in_channels": channels,
        "out_channels": channels,
        "block_out_channels": widths,
        "layers_per_block": 1,
        "down_block_types": tuple(f"{block}DownBlock2D" for block in blocks),
        "up_block_types": tuple(f"{block}UpBlock2D" for block in reversed(blocks)),
        "attention_head_dim": 32,
        "norm_num_groups": 8,
    }


RECIPES = {
    "faces": Recipe(_network(faces.SIDE, 3, (48, 96, 160, 192), attention=1), _faces),
    "digits": Recipe(_network(digits.SIDE, 1, (16, 64, 128, 128), attention=2), _digits),
}


def scheduler() -> DDPMScheduler:
    """The bundled models' schedule: linear, 1e-4 to 0.02, T = 1000, v-prediction, no clipping."""
    return DDPMScheduler(num_train_timesteps=T, prediction_type="v_prediction", clip_sample=False, timestep_spacing="trailing")


class Trainer:
    """One training run; `fit` is a generator that yields a Report after every step, so the caller shows, saves or stops.

    Args:
        recipe: what to train.
        seconds: how long in all, over every resumed part.
        data: folder of the data set, where the recipe needs one.
        dtype: what the network computes in; the weights stay float32.
        seed: names the first weights and, with step and process, the pictures and the noise of each batch.
        start: folder of a finished pipeline of the same recipe, whose weights to begin with at half the peak rate; None = from scratch.

    Raises:
        DiffdemoError: `start` holds no network of this recipe's shape.
    """

    def __init__(self, recipe: Recipe, seconds: float, data: Path = DATA, dtype: torch.dtype | None = None, seed: int = 0, start: Path | None = None):
        self.accelerator = Accelerator()
        self.recipe, self.seconds, self.seed = recipe, seconds, seed
        self.stream = recipe.source(data)
        torch.manual_seed(seed)
        device = self.accelerator.device
        self.network = _network_of(start, recipe) if start else UNet2DModel(**recipe.network)
        self.network.to(device)
        self.rate = recipe.rate / 2 if start else recipe.rate
        self.weights = [torch.nn.Parameter(_flat(p.detach().clone())) for p in self.network.parameters()]
        self.average = [w.detach().clone() for w in self.weights]
        if (dtype := dtype or fast_dtype(device)) != self.network.dtype:
            self.network.to(dtype)
        self.optimizers = self._optimizers()
        self.alpha_bar = scheduler().alphas_cumprod.to(device)
        self.step, self.spent, self.loss = 0, 0.0, math.nan

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        """Muon for the matrices inside the network, AdamW for its first and last layer and all vectors."""
        names = [name for name, _ in self.network.named_parameters()]
        inner = [w.ndim == 2 and not n.startswith(("conv_in", "conv_out")) for n, w in zip(names, self.weights, strict=True)]
        matrices = [w for w, i in zip(self.weights, inner, strict=True) if i]
        rest = [w for w, i in zip(self.weights, inner, strict=True) if not i]
        peak = self.rate
        muon = [Muon(matrices, lr=peak)] if matrices else []
        return [*muon, torch.optim.AdamW(rest, lr=peak, betas=(0.9, 0.99), weight_decay=0.0)]

    def fit(self) -> Iterator[Report]:
        """Train until the time is used up."""
        last = time.monotonic()
        while (share := self.spent / self.seconds) < 1:
            loss = self._update(share)
            self.step += 1
            self.loss = loss if math.isnan(self.loss) else self.loss + (loss - self.loss) / min(self.step, 500)
            now = time.monotonic()
            self.spent, last = self.spent + now - last, now
            self._agree_on_time()
            pictures = self.step * self.recipe.size * self.accelerator.num_processes
            yield Report(self.step, pictures, self.spent, self.spent / self.seconds, self.loss)

    def _agree_on_time(self) -> None:
        """All processes take the first one's clock, so that none stops before another."""
        if self.accelerator.num_processes > 1:
            clock = torch.tensor([self.spent if self.accelerator.is_main_process else 0.0], device=self.accelerator.device)
            self.spent = float(self.accelerator.reduce(clock, "sum"))

    def _update(self, share: float) -> float:
        network, parameters = self.network, list(self.network.parameters())
        now = rate(self.rate, self.recipe.warm_up, self.step, share)
        with torch.no_grad():
            for p, w in zip(parameters, self.weights, strict=True):
                p.copy_(w.view_as(p))
        loss, epsilon_loss = self._loss()
        network.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        gradients = self.accelerator.reduce([_flat(p.grad.float()) for p in parameters], "mean")
        for w, g in zip(self.weights, gradients, strict=True):
            w.grad = g
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = now
            optimizer.step()
        torch._foreach_lerp_(self.average, [w.detach() for w in self.weights], 1 / min(self.step + 1, self.recipe.memory))
        return float(epsilon_loss)

    def _loss(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The weighted loss, and what it is in terms of epsilon (for the log)."""
        a, size = self.accelerator, self.recipe.size
        part = self.step * a.num_processes + a.process_index
        x0 = self.stream(self.seed * PICTURES + part * size, size).to(a.device)
        generator = torch.Generator().manual_seed(self.seed * 2**32 + part)
        # stratified levels: one in each of `size` equal parts of 0..T, so that no batch misses the low or the high end
        t = ((torch.arange(size) + torch.rand(size, generator=generator)) * (T / size)).long().to(a.device)
        eps = torch.randn(x0.shape, generator=generator).to(a.device)
        alpha_bar = self.alpha_bar[t].view(-1, 1, 1, 1)
        x_n = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
        v = alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x0
        v_hat = self.network(x_n.to(self.network.dtype), t).sample.float()
        error = (v_hat - v).square().mean((1, 2, 3))
        weight = self.alpha_bar[t].clamp(min=FLOOR)
        return (weight * error).mean(), (self.alpha_bar[t] * error).mean().detach()

    def state(self) -> dict:
        """All that is needed to go on later."""
        return {
            "weights": [w.detach() for w in self.weights], "average": self.average,
            "optimizers": [o.state_dict() for o in self.optimizers],
            "step": self.step, "spent": self.spent, "loss": self.loss,
        }  # fmt: skip

    def restore(self, state: dict) -> None:
        """Go on from what `state` gave."""
        for key, mine in (("weights", self.weights), ("average", self.average)):
            for target, source in zip(mine, state[key], strict=True):
                target.data.copy_(source)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.spent, self.loss = state["step"], state["spent"], state["loss"]

    def save(self, folder: Path) -> None:
        """Write the averaged weights as a DDPMPipeline in half precision (safetensors)."""
        network = UNet2DModel(**self.recipe.network)
        for p, w in zip(network.parameters(), self.average, strict=True):
            p.data.copy_(w.view_as(p))
        DDPMPipeline(unet=network.half(), scheduler=scheduler()).save_pretrained(folder, safe_serialization=True)


def train(name: str, minutes: float, state: Path, out: Path, **options: Any) -> Iterator[Report]:
    """Train a bundled model, resuming from `state` if it is there, and write it to `out` at the end; yields every step.

    Args:
        name: "faces" or "digits".
        minutes: how long in all, resumed parts included.
        state: file for what is needed to go on, written every few minutes; a log of the loss is kept beside it (.jsonl).
        out: folder for the finished DDPMPipeline.
        options: data, dtype, seed and start, as in `Trainer`.

    Raises:
        DiffdemoError: there is no recipe of that name, the time is not positive, the data set is missing, or `start` does not fit.
    """
    if name not in RECIPES:
        raise DiffdemoError(f"There is no recipe {name!r}: the ones there are train {', '.join(RECIPES)}.")
    if not minutes > 0:
        raise DiffdemoError(f"The training time is a number of minutes above 0, not {minutes:g}.")
    return _train(Trainer(RECIPES[name], minutes * 60, **options), state, out)


def _train(trainer: Trainer, state: Path, out: Path) -> Iterator[Report]:
    if state.is_file():
        trainer.restore(torch.load(state, map_location=trainer.accelerator.device, weights_only=True))
    state.parent.mkdir(parents=True, exist_ok=True)
    saved, first = time.monotonic(), trainer.accelerator.is_main_process
    for report in trainer.fit():
        if first and (time.monotonic() - saved > SAVE_SECONDS or report.share >= 1):
            _checkpoint(trainer, report, state)
            saved = time.monotonic()
        yield report
    if first:
        trainer.save(out)
    trainer.accelerator.end_training()


def _checkpoint(trainer: Trainer, report: Report, state: Path) -> None:
    """Write the state aside and then over the old one, so that a kill in the middle loses nothing."""
    part = state.with_suffix(".part")
    torch.save(trainer.state(), part)
    part.replace(state)
    with state.with_suffix(".jsonl").open("a") as log:
        log.write(json.dumps(asdict(report)) + "\n")


def _network_of(folder: Path, recipe: Recipe) -> UNet2DModel:
    """A recipe's network with the weights of a finished pipeline."""
    network = UNet2DModel(**recipe.network)
    try:
        network.load_state_dict(load_model(str(folder), "cpu").unet.state_dict())
    except RuntimeError as error:
        raise DiffdemoError(f"The network in {folder.name} is not of the shape that this recipe trains, so it cannot be begun with.") from error
    return network


def _flat(weight: torch.Tensor) -> torch.Tensor:
    """A convolution's (out, in, h, w) as the matrix (out, in h w) that Muon orthogonalises; all else as it is."""
    return weight.flatten(1) if weight.ndim > 1 else weight


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it faster than float32, else float32."""
    if device.type == "cpu":
        return torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
