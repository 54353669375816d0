"""Recipes of the bundled models: `python -m diffdemo train faces`, or under `accelerate launch`.

The network predicts v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0. The loss at level n is
|v_hat - v|^2, weighted by max(alpha_bar, FLOOR): alpha_bar |v_hat - v|^2 is the usual
|eps_hat - eps|^2, and the floor keeps x0_hat meaningful at high n, where the noise alone says
nothing about it. Muon moves the matrices and convolutions inside the network; AdamW moves the
first layer, the last one and all vectors.

References:
    Ho, Jain, Abbeel, 2020, Denoising Diffusion Probabilistic Models, eq. 14, arXiv 2006.11239.
    Salimans, Ho, 2022, Progressive Distillation, section 4 and appendix D (v-prediction),
    arXiv 2202.00512.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from torch import Tensor, nn
from torch.func import functional_call

from diffdemo.errors import DiffdemoError
from diffdemo.models import WEIGHTS, load_model
from diffdemo.pictures import digits, faces
from diffdemo.training.muon import Muon
from diffdemo.training.recipe import Recipe
from diffdemo.training.streams import Batch, digit_stream, face_stream

T = 1000
FLOOR = 0.05
Arguments: TypeAlias = dict[str, int | tuple[int, ...] | tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class ModelRecipe(Recipe):
    """How a bundled model is trained.

    Attributes:
        network: arguments of UNet2DModel.
    """

    network: Arguments
    rate: float = 2e-3
    warm_up: int = 200
    size: int = 64
    horizon: int = 400
    clip: float = 1.0

    def check(self, out: Path) -> None:
        """Refuse a file, as a pipeline is a folder."""
        if out.is_file():
            raise DiffdemoError(f"A model is saved as a folder, and {out} is a file.")

    def build(self, start: Path | None) -> nn.Module:
        """Return the network, with the weights of a finished pipeline or random ones."""
        network: nn.Module = UNet2DModel(**self.network)
        if start is None:
            return network
        try:
            network.load_state_dict(load_model(str(start), "cpu").unet.state_dict())
        except RuntimeError as error:
            raise DiffdemoError(
                f"The network in {start.name} is not of the shape that this recipe trains, "
                "so it cannot be begun with."
            ) from error
        return network

    def optimizers(self, network: nn.Module) -> list[torch.optim.Optimizer]:
        """Return Muon for the inner matrices and AdamW for the rest."""
        inner: list[Tensor] = []
        rest: list[Tensor] = []
        for name, weight in network.named_parameters():
            outer = name.startswith(("conv_in", "conv_out"))
            (rest if outer or weight.ndim == 1 else inner).append(weight)
        adamw = torch.optim.AdamW(rest, self.rate, betas=(0.9, 0.99), weight_decay=0.0)
        return [Muon(inner, self.rate), adamw]

    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted loss of v_hat, and the loss of eps_hat."""
        device = next(network.parameters()).device
        x0 = batch[0].to(device)
        t = stratified(len(x0), generator)
        eps = torch.randn(x0.shape, generator=generator).to(device)
        alpha_bar = _alpha_bar()[t].to(device)
        signal = alpha_bar.sqrt().view(-1, 1, 1, 1)
        noise = (1 - alpha_bar).sqrt().view(-1, 1, 1, 1)
        v = signal * eps - noise * x0
        v_hat = predict(network, signal * x0 + noise * eps, t.to(device), dtype)
        error = (v_hat - v).square().mean((1, 2, 3))
        weight = alpha_bar.clamp(min=FLOOR)
        return (weight * error).mean(), (alpha_bar * error).mean()

    def save(self, network: nn.Module, out: Path) -> None:
        """Write a DDPMPipeline in half precision (safetensors)."""
        pipeline = DDPMPipeline(unet=network.half(), scheduler=scheduler())
        pipeline.save_pretrained(out, safe_serialization=True)


def stratified(size: int, generator: torch.Generator) -> Tensor:
    """Draw one timestep in each of `size` equal parts of 0..T, so that no batch misses an end.

    Returns:
        (size,) int64 in 0..T - 1.
    """
    places = torch.arange(size) + torch.rand(size, generator=generator)
    return (places * (T / size)).long()


def predict(network: nn.Module, x_n: Tensor, t: Tensor, dtype: torch.dtype) -> Tensor:
    """Compute v_hat in a dtype, with gradients for the float32 weights.

    Args:
        network: UNet2DModel with float32 weights.
        x_n: (B, C, H, W).
        t: (B,) timesteps.
        dtype: what the network computes in.

    Returns:
        (B, C, H, W) float32.
    """
    weights = {name: weight.to(dtype) for name, weight in network.named_parameters()}
    v_hat: Tensor = functional_call(network, weights, (x_n.to(dtype), t)).sample
    return v_hat.float()


def scheduler() -> DDPMScheduler:
    """Return the bundled models' schedule: linear, 1e-4 to 0.02, v-prediction, no clipping."""
    return DDPMScheduler(
        num_train_timesteps=T,
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
    )


@cache
def _alpha_bar() -> Tensor:
    """Return (T,) float32, indexed by the timestep t = n - 1."""
    alpha_bar: Tensor = scheduler().alphas_cumprod
    return alpha_bar


def _network(side: int, channels: int, widths: tuple[int, ...], attention: int) -> Arguments:
    """Return arguments of UNet2DModel: one layer a block, attention at one resolution only."""
    blocks = ["Attn" if place == attention else "" for place in range(len(widths))]
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


FACES = ModelRecipe(
    name="faces",
    source=face_stream,
    out=WEIGHTS / "faces",
    minutes=75,
    network=_network(faces.SIDE, 3, (48, 96, 160, 192), attention=1),
)
DIGITS = ModelRecipe(
    name="digits",
    source=digit_stream,
    out=WEIGHTS / "digits",
    minutes=75,
    network=_network(digits.SIDE, 1, (16, 64, 128, 128), attention=2),
)
