"""Small models for the tests: random UNets saved as pipelines, and closed-form denoisers whose answers are known; and PNG files with texts."""

import asyncio
import io
import json
import string
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from time import sleep

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMPipeline, DDPMScheduler, LDMPipeline, UNet2DConditionModel, UNet2DModel, VQModel
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file

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


def save_root_layout(folder: Path) -> Path:
    """As the oldest repositories of the Hub are: all files at the top, attention under its old names."""
    save_pipeline(folder)
    for part, names in (("unet", ("config.json", "diffusion_pytorch_model.safetensors")), ("scheduler", ("scheduler_config.json",))):
        for name in names:
            (folder / part / name).rename(folder / name)
        (folder / part).rmdir()
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    weights = load_file(file := folder / "diffusion_pytorch_model.safetensors")
    for new, name in old.items():
        weights = {key.replace(new, name) if ".attentions." in key else key: value for key, value in weights.items()}
    save_file({key: value.contiguous() for key, value in weights.items()}, file)
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
    """8 x 8 latents of 16 x 16 pictures."""
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2, "block_out_channels": (8, 16)}
    torch.manual_seed(1)
    if autoencoder == "vq":
        vae = VQModel(latent_channels=3, num_vq_embeddings=32, norm_num_groups=4, scaling_factor=0.8, **blocks)
        torch.nn.init.normal_(vae.quantize.embedding.weight)
    else:
        vae = AutoencoderKL(latent_channels=4, norm_num_groups=4, scaling_factor=0.5, **blocks)
    LDMPipeline(vqvae=vae, unet=tiny_unet(2, channels=3 if autoencoder == "vq" else 4), scheduler=latent_scheduler(T)).save_pretrained(folder)
    return folder


def tiny_tokenizer(folder: Path):
    """Letters, and one word: "cat"."""
    from transformers import CLIPTokenizer

    letters = string.ascii_lowercase
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "ca", "cat</w>", "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\nc a\nca t</w>\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 16, "tokenizer_class": "CLIPTokenizer"}))
    return CLIPTokenizer.from_pretrained(folder)


def tiny_stable_diffusion(folder: Path):
    """A StableDiffusionPipeline of random weights: 8 x 8 latents of 16 x 16 pictures, prompts of 16 tokens."""
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(3)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2, "block_out_channels": (8, 16)}
    text = CLIPTextConfig(
        vocab_size=56, hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=16,
        bos_token_id=54, eos_token_id=55, pad_token_id=55,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=8,
    )  # fmt: skip
    return StableDiffusionPipeline(
        vae=AutoencoderKL(latent_channels=4, norm_num_groups=4, **blocks), text_encoder=CLIPTextModel(text), tokenizer=tiny_tokenizer(folder),
        unet=unet, scheduler=latent_scheduler(), safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


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


class Watched(torch.nn.Module):
    """A network that keeps the largest timestep of each call, takes its time, waits while its gate is shut, and fails at one timestep if told to."""

    def __init__(self, inner: torch.nn.Module):
        super().__init__()
        self.inner, self.asked, self.seconds, self.gate, self.broken_at = inner, [], 0.0, Event(), None
        self.gate.set()

    def __deepcopy__(self, memo):
        return deepcopy(self.inner, memo)  # as the cost is counted, unwatched

    def forward(self, x_n, timestep, **options):
        self.asked.append(int(timestep.max()))
        sleep(self.seconds)
        assert self.gate.wait(60)
        if self.asked[-1] == self.broken_at:
            raise RuntimeError("broken on purpose")
        return self.inner(x_n, timestep, **options)


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
    """A network that gives `value` in one pixel of its last row, or raises it where it is an error, from its call number `after` on."""

    inner: object
    value: float | Exception
    after: int = 0
    calls: int = 0

    def __call__(self, *args, **options):
        self.calls += 1
        (eps_hat,) = self.inner(*args, **options)
        if self.calls > self.after:
            if isinstance(self.value, Exception):
                raise self.value
            eps_hat = eps_hat.clone()
            eps_hat[-1, 0, 0, 0] = self.value
        return (eps_hat,)


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


def finished(coroutine):
    """What a coroutine returns; it runs in a thread of its own, for the browser's loop may be running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
