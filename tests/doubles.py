"""Stand-ins for the tests: small pipelines of random weights, denoisers whose answers are known,
networks that misbehave, and PNG files with texts.
"""

import asyncio
import io
import json
import string
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    LDMPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file
from torch import Tensor

from diffdemo.diffusion.schedule import Schedule

PREDICTIONS = ("epsilon", "v_prediction", "sample")
BLOCKS = {  # of an autoencoder between 8 x 8 latents and 16 x 16 pictures
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
}


def tiny_unet(seed: int = 0, channels: int = 3, size: int = 8) -> UNet2DModel:
    torch.manual_seed(seed)
    return UNet2DModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
        norm_num_groups=4,
    )


def save_pipeline(
    folder: Path, kind: str = "epsilon", clip: bool = False, T: int = 1000, **unet
) -> Path:
    scheduler = DDPMScheduler(T, prediction_type=kind, clip_sample=clip)
    DDPMPipeline(unet=tiny_unet(**unet), scheduler=scheduler).save_pretrained(folder)
    return folder


def save_root_layout(folder: Path) -> Path:
    """Save it as the oldest repositories of the Hub are.

    All files are at the top, and attention has its old names.
    """
    save_pipeline(folder)
    files = {
        "unet": ("config.json", "diffusion_pytorch_model.safetensors"),
        "scheduler": ("scheduler_config.json",),
    }
    for part, names in files.items():
        for name in names:
            (folder / part / name).rename(folder / name)
        (folder / part).rmdir()
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    path = folder / "diffusion_pytorch_model.safetensors"
    weights = {}
    for name, value in load_file(path).items():
        for new, before in old.items():
            name = name.replace(new, before) if ".attentions." in name else name
        weights[name] = value.contiguous()
    save_file(weights, path)
    return folder


def latent_scheduler(T: int = 1000) -> DDIMScheduler:
    return DDIMScheduler(
        num_train_timesteps=T,
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        clip_sample=False,
        timestep_spacing="trailing",
        steps_offset=1,
    )


def save_latent(folder: Path, autoencoder: str, T: int = 1000) -> Path:
    """Save a pipeline of latents; its autoencoder is "vq" or "kl"."""
    torch.manual_seed(1)
    if autoencoder == "vq":
        vae = VQModel(latent_channels=3, num_vq_embeddings=32, scaling_factor=0.8, **BLOCKS)
        torch.nn.init.normal_(vae.quantize.embedding.weight)
    else:
        vae = AutoencoderKL(latent_channels=4, scaling_factor=0.5, **BLOCKS)
    unet = tiny_unet(2, channels=3 if autoencoder == "vq" else 4)
    LDMPipeline(vqvae=vae, unet=unet, scheduler=latent_scheduler(T)).save_pretrained(folder)
    return folder


def tiny_tokenizer(folder: Path):
    """A tokenizer of letters, and of one word: "cat"."""
    from transformers import CLIPTokenizer

    letters = string.ascii_lowercase
    ends = [f"{letter}</w>" for letter in letters]
    tokens = [*letters, *ends, "ca", "cat</w>", "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    vocabulary = {token: place for place, token in enumerate(tokens)}
    config = {"model_max_length": 16, "tokenizer_class": "CLIPTokenizer"}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\nc a\nca t</w>\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return CLIPTokenizer.from_pretrained(folder)


def tiny_text_model():
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=56,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=54,
        eos_token_id=55,
        pad_token_id=55,
    )
    return CLIPTextModel(config)


def tiny_stable_diffusion(folder: Path):
    """A StableDiffusionPipeline of random weights that takes prompts of 16 tokens."""
    from diffusers import StableDiffusionPipeline

    torch.manual_seed(3)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
    )
    return StableDiffusionPipeline(
        vae=AutoencoderKL(latent_channels=4, **BLOCKS),
        text_encoder=tiny_text_model(),
        tokenizer=tiny_tokenizer(folder),
        unet=unet,
        scheduler=latent_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@dataclass
class Gaussian:
    """The exact denoiser of N(0, diag(variance)): its probability-flow ODE has a closed form."""

    variance: Tensor
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

    pictures: Tensor
    schedule: Schedule = field(default_factory=Schedule.linear)
    clip: float | None = None

    def posterior(self, x, n):
        signal, spread = self.schedule.scales(self.schedule.levels(n, len(x)), x)
        distance = (x[:, None] - signal[:, None] * self.pictures).square().flatten(2).sum(2)
        return torch.softmax(-distance / (2 * spread.flatten(1) ** 2), 1)

    def predict_noise(self, x_n, n):
        mean = torch.einsum("bn,nchw->bchw", self.posterior(x_n, n), self.pictures)
        return self.schedule.eps_from_x0(x_n, mean, self.schedule.levels(n, len(x_n)))


@dataclass
class Knowing:
    """The denoiser of a single picture, (1, C, H, W): its x0_hat is always that picture."""

    x0: Tensor
    schedule: Schedule = field(default_factory=Schedule.linear)
    clip: float | None = None

    def predict_noise(self, x_n, n):
        return self.schedule.eps_from_x0(x_n, self.x0, self.schedule.levels(n, len(x_n)))


@dataclass
class Spy:
    """Wraps a denoiser and records the levels of each call."""

    inner: object
    calls: list = field(default_factory=list)

    @property
    def schedule(self):
        return self.inner.schedule

    @property
    def clip(self):
        return self.inner.clip

    def predict_noise(self, x_n, n):
        self.calls.append(n.tolist())
        return self.inner.predict_noise(x_n, n)


class Watched(torch.nn.Module):
    """A network that records the largest timestep of each call.

    It takes `seconds`, waits while its gate is shut, and fails at the timestep `broken_at`.
    """

    def __init__(self, inner: torch.nn.Module):
        super().__init__()
        self.inner = inner
        self.timesteps: list[int] = []
        self.seconds = 0.0
        self.broken_at: int | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __deepcopy__(self, memo):
        return deepcopy(self.inner, memo)  # whose cost is counted

    def forward(self, x_n, timestep, **options):
        self.timesteps.append(int(timestep.max()))
        time.sleep(self.seconds)
        assert self.gate.wait(60)
        if self.timesteps[-1] == self.broken_at:
            raise RuntimeError("broken on purpose")
        return self.inner(x_n, timestep, **options)


@dataclass(eq=False)
class Counting:
    """A network that records how many rows each of its calls has."""

    inner: object
    rows: list[int] = field(default_factory=list)

    def __call__(self, x, *args, **options):
        self.rows.append(len(x))
        return self.inner(x, *args, **options)


@dataclass(eq=False)
class Stalls:
    """A network that does not answer until its gate is opened."""

    inner: object
    gate: threading.Event = field(default_factory=threading.Event)

    def __call__(self, *args, **options):
        self.gate.wait(60)
        return self.inner(*args, **options)


@dataclass(eq=False)
class Breaks:
    """A network that breaks after some calls.

    It gives `value` in one pixel of its last row, or raises it where it is an error.
    """

    inner: object
    value: float | Exception
    after: int = 0
    calls: int = 0

    def __call__(self, *args, **options):
        self.calls += 1
        (eps_hat,) = self.inner(*args, **options)
        if self.calls <= self.after:
            return (eps_hat,)
        if isinstance(self.value, Exception):
            raise self.value
        eps_hat = eps_hat.clone()
        eps_hat[-1, 0, 0, 0] = self.value
        return (eps_hat,)


def png(texts: dict[str, str], size: tuple[int, int] = (4, 4)) -> bytes:
    """A black PNG with texts."""
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def png_with_chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    data = png({})
    size = struct.pack(">I", len(body))
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + size + kind + body + checksum + data[33:]


def finished(coroutine):
    """Return what a coroutine returns.

    It runs in a thread of its own, for the browser's loop may be running in this one.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
