"""Load diffusers pipelines and adapt them to one small Model: a schedule, a noise prediction, pictures in and out.

A model is named by what is bundled ("faces"), or by a local diffusers folder that holds a DDPMPipeline or DDIMPipeline
with a UNet2DModel. Weights are read from safetensors only.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffdemo import images
from diffdemo.errors import DiffdemoError, ModelError
from diffdemo.schedule import Levels, Schedule

WEIGHTS = Path(__file__).parent / "weights"
BUNDLED = ("faces", "digits")
KEPT = 3  # models held in memory at most
_PIPELINES = ("DDPMPipeline", "DDIMPipeline")
_DTYPES = ("float32", "float64", "bfloat16", "float16")
_cache: "OrderedDict[tuple, Model]" = OrderedDict()
_cache_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Model:
    """A diffusion model ready to use.

    Attributes:
        name: the bundled name, or the folder's own name.
        revision: first 12 hex digits of the SHA-256 of its weights; what a link promises to replay.
        schedule: its noise schedule.
        shape: (C, H, W) of its pictures.
        device, dtype: where and in what the network computes.
        prediction_type: what the network predicts: "epsilon", "v_prediction" or "sample".
        clip: x0_hat is clipped to [-clip, clip] when denoising; None = never, as in the bundled models.
        line_up: the bundled distribution it was trained on ("faces"), whose pictures it can be judged by; None = unknown.
    """

    name: str
    revision: str
    schedule: Schedule
    shape: tuple[int, int, int]
    device: torch.device
    dtype: torch.dtype
    prediction_type: str
    clip: float | None
    line_up: str | None
    network: Any = field(repr=False)

    @torch.no_grad()
    def predict_noise(self, x_n: Tensor, n: Levels) -> Tensor:
        """eps_hat, the network's estimate of the noise in x_n; other prediction types are converted.

        Args:
            x_n: (B, C, H, W).
            n: 1..T, one for all or (B,); the network's timestep is n - 1.

        Returns:
            (B, C, H, W) in the dtype and on the device of x_n.

        Raises:
            DiffdemoError: x_n has another shape than the model's pictures, or n is out of bounds.
        """
        if x_n.shape[1:] != self.shape:
            raise DiffdemoError(f"The model {self.name} works on pictures of shape {self.shape}, not {tuple(x_n.shape[1:])}.")
        n = self.schedule.levels(n, len(x_n), lowest=1)
        if not len(x_n):
            return x_n
        timestep = (n - 1).to(self.device)
        output = self.network(x_n.to(self.device, self.dtype), timestep, return_dict=False)[0].to(x_n.device, x_n.dtype)
        if self.prediction_type == "epsilon":
            return output
        convert = self.schedule.eps_from_v if self.prediction_type == "v_prediction" else self.schedule.eps_from_x0
        return convert(x_n, output, n)

    def encode(self, pictures: Image.Image | list[Image.Image]) -> Tensor:
        """PIL pictures, centre-cropped and resized to the model's → (B, C, H, W) float32 in [-1, 1], on the CPU."""
        channels, height, width = self.shape
        some = pictures if isinstance(pictures, list) else [pictures]
        fitted = [images.fit(picture, (width, height), "L" if channels == 1 else "RGB") for picture in some]
        return images.from_uint8(np.stack([np.asarray(p).reshape(height, width, channels) for p in fitted]))

    def decode(self, x0: Tensor) -> list[Image.Image]:
        """(B, C, H, W) in [-1, 1] → B PIL pictures, rounded to 8 bits; what lies outside the range is cut off."""
        return [Image.fromarray(a.squeeze(-1) if a.shape[-1] == 1 else a) for a in images.to_uint8(x0)]


def default_device() -> torch.device:
    """CUDA if there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load_model(name: str, device: str | None = None, dtype: str = "float32") -> Model:
    """Load a model, or take it from the cache of the last few.

    Args:
        name: a bundled name, or the path of a local diffusers folder.
        device: a torch device name; None chooses CUDA, MPS or CPU.
        dtype: "float32" (the default; what a link replays), "float64", "bfloat16" or "float16".

    Raises:
        ModelError: unknown name, device or dtype; folder without model_index.json; weights missing; unsupported pipeline.
    """
    if dtype not in _DTYPES:
        raise ModelError(f"The dtype is one of {', '.join(_DTYPES)}, not {dtype!r}.")
    folder = _folder(name)
    key = (str(folder.resolve()), str(_device(device)), dtype)
    with _cache_lock:
        model = _cache.pop(key, None) or _load(folder, _device(device), getattr(torch, dtype))
        _cache[key] = model
        while len(_cache) > KEPT:
            _cache.popitem(last=False)
    return model


def _device(name: str | None) -> torch.device:
    if name is None:
        return default_device()
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"There is no device {name!r} on this machine; try cpu.") from error
    return device


def _folder(name: str) -> Path:
    if name in BUNDLED:
        return WEIGHTS / name
    folder = Path(name)
    if not folder.is_dir():
        raise ModelError(f"There is no model {name!r}: the bundled ones are {', '.join(BUNDLED)}, anything else is a diffusers folder.")
    return folder


def _load(folder: Path, device: torch.device, dtype: torch.dtype) -> Model:
    from diffusers import UNet2DModel  # seconds to import, so not before a model is asked for

    _check_pipeline(folder)
    weights = _weights(folder / "unet")
    scheduler = _scheduler(folder)
    kind = scheduler.config.prediction_type
    try:
        network = UNet2DModel.from_pretrained(folder / "unet", use_safetensors=True, local_files_only=True, torch_dtype=torch.float32)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"The network in {folder.name}/unet cannot be read: its weights and its config.json do not fit together.") from error
    size = network.config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    return Model(
        name=folder.name,
        revision=hashlib.sha256(weights.read_bytes()).hexdigest()[:12],
        schedule=Schedule.from_betas(scheduler.betas),
        shape=(network.config.in_channels, height, width),
        device=device,
        dtype=dtype,
        prediction_type=kind,
        clip=float(scheduler.config.clip_sample_range) if scheduler.config.clip_sample else None,
        line_up=folder.name if folder.parent == WEIGHTS else None,
        network=(network if dtype == torch.float32 else network.to(dtype)).to(device).eval().requires_grad_(False),
    )


def _check_pipeline(folder: Path) -> None:
    index = folder / "model_index.json"
    if not index.is_file():
        raise ModelError(f"The folder {folder.name} has no model_index.json: it is not a saved diffusers pipeline.")
    entry = _read_json(index)
    if entry.get("_class_name") not in _PIPELINES or entry.get("unet") != ["diffusers", "UNet2DModel"]:
        raise ModelError(f"The folder {folder.name} holds a {entry.get('_class_name')}; a {' or '.join(_PIPELINES)} with a UNet2DModel is needed.")


def _weights(folder: Path) -> Path:
    weights = folder / "diffusion_pytorch_model.safetensors"
    if not weights.is_file():
        raise ModelError(f"The weights of {folder.parent.name} are missing: unet/{weights.name} is not there (only safetensors are read).")
    return weights


def _scheduler(folder: Path) -> Any:
    from diffusers import DDPMScheduler

    config = folder / "scheduler" / "scheduler_config.json"
    if not config.is_file():
        raise ModelError(f"The folder {folder.name} has no scheduler/scheduler_config.json.")
    try:
        scheduler = DDPMScheduler.from_config(_read_json(config))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(f"The scheduler of {folder.name} cannot be read: its noise schedule is of an unknown kind.") from error
    if scheduler.config.prediction_type not in ("epsilon", "v_prediction", "sample"):
        raise ModelError(f"The model {folder.name} predicts {scheduler.config.prediction_type!r}; epsilon, v_prediction or sample is needed.")
    if float(scheduler.alphas_cumprod[-1]) <= 0:
        raise ModelError(f"The schedule of {folder.name} ends at zero signal-to-noise ratio, where no noise estimate leads back to a picture.")
    return scheduler


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"The file {path.name} of the model {path.parent.name} is not valid JSON.") from error
    if not isinstance(content, dict):
        raise ModelError(f"The file {path.name} of the model {path.parent.name} does not hold an object.")
    return content
