"""Small models for the tests: random UNets saved as pipelines, and closed-form denoisers whose answers are known; and PNG files with texts."""

import io
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffdemo.schedule import Schedule

KINDS = ("epsilon", "v_prediction", "sample")


def tiny_unet(seed: int = 0, channels: int = 3, size: int = 8) -> UNet2DModel:
    torch.manual_seed(seed)
    return UNet2DModel(
        sample_size=size, in_channels=channels, out_channels=channels, block_out_channels=(8, 16), layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8, norm_num_groups=4,
    )  # fmt: skip


def save_pipeline(folder: Path, kind: str = "epsilon", clip: bool = False, **unet) -> Path:
    scheduler = DDPMScheduler(prediction_type=kind, clip_sample=clip)
    DDPMPipeline(unet=tiny_unet(**unet), scheduler=scheduler).save_pretrained(folder, safe_serialization=True)
    return folder


@dataclass
class Gaussian:
    """The exact denoiser of N(0, diag(variance)): its probability-flow ODE has a closed form."""

    variance: torch.Tensor
    schedule: Schedule = field(default_factory=Schedule.linear)
    clip: float | None = None

    def predict_noise(self, x_n, n):
        signal, spread = self.schedule.scales(self.schedule.levels(n, len(x_n)), x_n)
        return spread * x_n / (signal**2 * self.variance + spread**2)

    def solution(self, x_T):
        a = self.schedule.alpha_bar[-1]
        return x_T * (self.variance / (a * self.variance + 1 - a)).sqrt()


@dataclass
class Ideal:
    """The exact denoiser of a finite set of pictures: the posterior mean over them."""

    pictures: torch.Tensor
    schedule: Schedule = field(default_factory=Schedule.linear)
    clip: float | None = None

    def posterior(self, x, n):
        signal, spread = self.schedule.scales(self.schedule.levels(n, len(x)), x)
        distance = (x[:, None] - signal[:, None] * self.pictures).square().flatten(2).sum(2)
        return torch.softmax(-distance / (2 * spread.flatten(1) ** 2), 1)

    def predict_noise(self, x_n, n):
        signal, spread = self.schedule.scales(self.schedule.levels(n, len(x_n)), x_n)
        mean = torch.einsum("bn,nchw->bchw", self.posterior(x_n, n), self.pictures)
        return (x_n - signal * mean) / spread


@dataclass
class Spy:
    """Wraps a denoiser and keeps the levels it was asked about."""

    inner: object
    asked: list = field(default_factory=list)

    @property
    def schedule(self):
        return self.inner.schedule

    @property
    def clip(self):
        return self.inner.clip

    def predict_noise(self, x_n, n):
        self.asked.append(n.tolist())
        return self.inner.predict_noise(x_n, n)


def png(texts: dict[str, str], size: tuple[int, int] = (4, 4)) -> bytes:
    info, buffer = PngInfo(), io.BytesIO()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", size).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def png_with_chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    data, chunk = png({}), struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + chunk + data[33:]
