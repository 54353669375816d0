"""Read a saved diffusers pipeline from a folder, one component after the other, from safetensors only.

Three classes are read: pixels (DDPMPipeline, DDIMPipeline), latents (LDMPipeline) and latents told by a prompt
(StableDiffusionPipeline). Nothing pickled is read, no code that comes with a model is run, safety checkers are left out.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from diffdemo.errors import ModelError
from diffdemo.models.deferred import Deferred
from diffdemo.models.engine import fastest
from diffdemo.models.latent import Autoencoder
from diffdemo.models.model import Model
from diffdemo.models.prompts import Prompted, TextEncoder
from diffdemo.schedule import Schedule

Tell = Callable[[str, int, int], None]  # what is being done, bytes done, bytes in all
_Parts = Mapping[str, tuple[str, ...]]  # part → the classes it may be of

_PIXEL: _Parts = {"unet": ("UNet2DModel",)}
_LATENT: _Parts = {"unet": ("UNet2DModel",), "vqvae": ("VQModel", "AutoencoderKL")}
_TEXT: _Parts = {
    "unet": ("UNet2DConditionModel",), "vae": ("AutoencoderKL",), "text_encoder": ("CLIPTextModel",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
}  # fmt: skip
_PIPELINES = {"DDPMPipeline": _PIXEL, "DDIMPipeline": _PIXEL, "LDMPipeline": _LATENT, "StableDiffusionPipeline": _TEXT}
_LIBRARIES = {"text_encoder": "transformers", "tokenizer": "transformers"}  # the others are diffusers'
_WEIGHTS = {"text_encoder": "model.safetensors"}
_DIFFUSERS_WEIGHTS = "diffusion_pytorch_model.safetensors"
_BLOCK = 2**24  # bytes hashed at once
FILES = (
    "model_index.json", "config.json", "scheduler_config.json", _DIFFUSERS_WEIGHTS, "scheduler/scheduler_config.json",
    *(f"{part}/{file}" for part in ("unet", "vqvae", "vae") for file in ("config.json", _DIFFUSERS_WEIGHTS)),
    "text_encoder/config.json", "text_encoder/model.safetensors", "tokenizer/*.json", "tokenizer/*.txt",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Where a model comes from: what it is called, its folder on this machine, and the bundled distribution it knows, if any."""

    name: str
    folder: Path
    line_up: str | None = None


def read(source: Source, device: torch.device, dtype: torch.dtype, tell: Tell) -> Model:
    """The model in a folder.

    Args:
        source: where it is.
        device: where it shall compute.
        dtype: in what its network computes; autoencoder and text encoder stay in float32.
        tell: is told how far the reading is.

    Raises:
        ModelError: the folder holds no pipeline of the classes that are read, or a part of it is missing or damaged.
    """
    parts = _check_pipeline(source)
    if source.line_up:
        return _bundled(source, device, dtype, tell)
    if "text_encoder" in parts:
        _transformers(source)  # said before gigabytes are read
    scheduler, config = _scheduler(source)
    files = {part: _weights(source, part) for part in parts if part != "tokenizer"}
    revision = _revision(list(files.values()), tell)
    total, done, networks = sum(file.stat().st_size for file in files.values()), 0, {}
    for part, file in files.items():
        tell(f"reading {part}", done, total)
        networks[part] = _placed(_network(source, part, parts[part]), device, dtype if part == "unet" else torch.float32)
        done += file.stat().st_size
    network = networks["unet"]
    text = TextEncoder(_tokenizer(source), networks["text_encoder"], device) if "text_encoder" in parts else None
    autoencoder = _autoencoder(source, networks, device)
    shape = _shape(source, network)
    return Model(
        name=source.name, revision=revision, schedule=Schedule.from_betas(scheduler.betas), shape=shape, device=device, dtype=dtype,
        prediction_type=scheduler.config.prediction_type, clip=_clip(scheduler, config, autoencoder), line_up=source.line_up,
        network=Prompted(network, text) if text else fastest(network, shape), autoencoder=autoencoder, text=text,
    )  # fmt: skip


def _bundled(source: Source, device: torch.device, dtype: torch.dtype, tell: Tell) -> Model:
    """A bundled model, known from its configuration; its network is read when it is first asked, for diffusers takes seconds to import."""
    file = _weights(source, "unet")
    unet, scheduler = (_read_json(source.folder / part, source) for part in ("unet/config.json", "scheduler/scheduler_config.json"))
    betas = torch.linspace(scheduler["beta_start"], scheduler["beta_end"], scheduler["num_train_timesteps"])
    shape = unet["in_channels"], unet["sample_size"], unet["sample_size"]
    network = Deferred(lambda: fastest(_placed(_network(source, "unet", "UNet2DModel"), device, dtype), shape), file.stat().st_size)
    return Model(
        name=source.name, revision=_revision([file], tell), schedule=Schedule.from_betas(betas), shape=shape, device=device, dtype=dtype,
        prediction_type=scheduler["prediction_type"], clip=None, line_up=source.line_up, network=network,
    )  # fmt: skip


def _placed(network: Any, device: torch.device, dtype: torch.dtype = torch.float32) -> Any:
    """A network in float32 on its device and in its type, for inference only."""
    network = network.to(device).eval().requires_grad_(False)
    return network if dtype == torch.float32 else network.to(dtype)


def _check_pipeline(source: Source) -> dict[str, str]:
    """The parts of the pipeline and the class of each."""
    index = source.folder / "model_index.json"
    if not index.is_file():
        raise ModelError(f"The folder {source.name} has no model_index.json: it is not a saved diffusers pipeline.")
    content = _read_json(index, source)
    kind = content.get("_class_name")
    wanted = _PIPELINES.get(kind) if isinstance(kind, str) else None
    found: dict[str, Any] = {part: content.get(part) for part in wanted or ()}
    if not wanted or not all(found[part] in [[_LIBRARIES.get(part, "diffusers"), name] for name in names] for part, names in wanted.items()):
        raise ModelError(
            f"The folder {source.name} holds a {kind} that is not read here; a DDPMPipeline or DDIMPipeline with a UNet2DModel, "
            "an LDMPipeline or a StableDiffusionPipeline is needed."
        )
    return {part: found[part][1] for part in wanted}


def _place(source: Source, part: str, file: str) -> Path:
    """Where a part's file is: in its own folder or, in the oldest repositories, at the top."""
    inside = source.folder / part
    return inside / file if inside.is_dir() or part not in ("unet", "scheduler") else source.folder / file


def _weights(source: Source, part: str) -> Path:
    weights = _place(source, part, _WEIGHTS.get(part, _DIFFUSERS_WEIGHTS))
    if not weights.is_file():
        name = weights.relative_to(source.folder)
        raise ModelError(f"The weights of {source.name} are missing: {name} is not there (only safetensors are read, never pickled .bin files).")
    return weights


def _revision(files: list[Path], tell: Tell) -> str:
    """First 12 hex digits of the SHA-256 over all files, one after the other."""
    digest, done, total = hashlib.sha256(), 0, sum(file.stat().st_size for file in files)
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
                done += len(block)
                tell("checking the weights", done, total)
    return digest.hexdigest()[:12]


def _network(source: Source, part: str, kind: str) -> Any:
    """One network in float32, every weight of it read."""
    folder = _place(source, part, "config.json").parent
    options = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    if part == "text_encoder":
        load = partial(_transformers(source).CLIPTextModel.from_pretrained, dtype=torch.float32)
    else:
        import diffusers  # seconds to import, so not before a model is asked for

        # without low_cpu_mem_usage=False modules that other threads build at the same time would lose their weights
        load = partial(getattr(diffusers, kind).from_pretrained, torch_dtype=torch.float32, low_cpu_mem_usage=False)
    try:
        network, found = load(folder, **options)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"The network in {source.name}/{part} cannot be read: its weights and its config.json do not fit together.") from error
    if found["missing_keys"]:
        raise ModelError(f"The network in {source.name}/{part} cannot be read: its weights lack {len(found['missing_keys'])} of its tensors.")
    return network


def _tokenizer(source: Source) -> Any:
    tokenizer = _transformers(source).CLIPTokenizer
    try:
        return tokenizer.from_pretrained(source.folder / "tokenizer", local_files_only=True)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise ModelError(f"The tokenizer of {source.name} cannot be read: its vocab.json and merges.txt are missing or damaged.") from error


def _transformers(source: Source) -> Any:
    try:
        import transformers  # not among the packages that everything else needs
    except ImportError as error:
        raise ModelError(f"The model {source.name} reads prompts with transformers, which is not installed: run pip install transformers.") from error
    return transformers


def _autoencoder(source: Source, networks: dict[str, Any], device: torch.device) -> Autoencoder | None:
    part = next((part for part in ("vqvae", "vae") if part in networks), None)
    if part is None:
        return None
    config = _read_json(source.folder / part / "config.json", source)
    # a quantized latent space varies like unit noise as it is (Rombach et al., appendix D.1), so diffusers' default is not for it
    default = 1.0 if type(networks[part]).__name__ == "VQModel" else networks[part].config.scaling_factor
    return Autoencoder(networks[part], float(config.get("scaling_factor", default)), device)


def _shape(source: Source, network: Any) -> tuple[int, int, int]:
    size = network.config.sample_size
    if size is None:
        raise ModelError(f"The network of {source.name} does not say how large its pictures are: its config.json needs a sample_size.")
    height, width = (size, size) if isinstance(size, int) else size
    return network.config.in_channels, height, width


def _clip(scheduler: Any, config: dict, autoencoder: Autoencoder | None) -> float | None:
    """Latents have no range of their own, so they are clipped only where the saved scheduler says so in as many words."""
    asked = scheduler.config.clip_sample if autoencoder is None else config.get("clip_sample", False)
    return float(scheduler.config.clip_sample_range) if asked else None


def _scheduler(source: Source) -> tuple[Any, dict]:
    from diffusers import DDPMScheduler

    file = _place(source, "scheduler", "scheduler_config.json")
    if not file.is_file():
        raise ModelError(f"The folder {source.name} has no scheduler/scheduler_config.json.")
    config = _read_json(file, source)
    try:
        scheduler = DDPMScheduler.from_config(config)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(f"The scheduler of {source.name} cannot be read: its noise schedule is of an unknown kind.") from error
    if scheduler.config.prediction_type not in ("epsilon", "v_prediction", "sample"):
        raise ModelError(f"The model {source.name} predicts {scheduler.config.prediction_type!r}; epsilon, v_prediction or sample is needed.")
    if float(scheduler.alphas_cumprod[-1]) <= 0:
        raise ModelError(f"The schedule of {source.name} ends at zero signal-to-noise ratio, where no noise estimate leads back to a picture.")
    return scheduler, config


def _read_json(path: Path, source: Source) -> dict:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"The file {path.name} of the model {source.name} is not valid JSON.") from error
    if not isinstance(content, dict):
        raise ModelError(f"The file {path.name} of the model {source.name} does not hold an object.")
    return content
