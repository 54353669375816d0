"""Read a saved diffusers pipeline as a Model, one part after the other.

No pickle is read, no code that comes with a model is run, and safety checkers are left out.
"""

from types import ModuleType
from typing import TYPE_CHECKING

import torch

from diffdemo.diffusion.schedule import Schedule
from diffdemo.errors import ModelError
from diffdemo.models.fast.engine import speed_up
from diffdemo.models.folder import Config, Folder, OnProgress, revision
from diffdemo.models.latent import Autoencoder
from diffdemo.models.model import Model
from diffdemo.models.network import LazyNetwork, Network
from diffdemo.models.prompts import Prompted, TextEncoder

if TYPE_CHECKING:
    from diffusers import DDPMScheduler, ModelMixin
    from transformers import CLIPTokenizer

Networks = dict[str, "ModelMixin"]  # by part


def read(
    folder: Folder, device: torch.device, dtype: torch.dtype, on_progress: OnProgress
) -> Model:
    """Read the model in a folder.

    Args:
        folder: where it is.
        device: where it computes.
        dtype: in which its network computes; autoencoder and text encoder stay in float32.
        on_progress: called with the bytes read so far.

    Raises:
        ModelError: the folder holds no pipeline of the kinds that are read, or a part of it is
            missing or damaged.
    """
    classes = folder.classes()
    if folder.line_up:
        return _read_bundled(folder, device, dtype, on_progress)
    takes_prompts = classes.pop("tokenizer", None) is not None  # the rest are networks
    if takes_prompts:
        _import_transformers(folder)  # fails before gigabytes are read
    config = folder.scheduler()
    scheduler = _scheduler(folder, config)
    digest = revision([folder.weights(part) for part in classes], on_progress)
    networks = _read_networks(folder, classes, device, dtype, on_progress)
    unet = networks["unet"]
    text = None
    if takes_prompts:
        text = TextEncoder(_read_tokenizer(folder), networks["text_encoder"], device)
    autoencoder = _autoencoder(folder, networks, device)
    shape = _shape(folder, unet)
    return Model(
        name=folder.name,
        revision=digest,
        schedule=Schedule.from_betas(scheduler.betas),
        shape=shape,
        device=device,
        dtype=dtype,
        prediction_type=scheduler.config.prediction_type,
        clip=_clip(scheduler, config, autoencoder),
        line_up=None,
        network=Prompted(unet, text) if text else speed_up(unet, shape),
        autoencoder=autoencoder,
        text=text,
    )


def _read_bundled(
    folder: Folder, device: torch.device, dtype: torch.dtype, on_progress: OnProgress
) -> Model:
    """Read a bundled model from its configuration.

    Its network is loaded when it is first needed: importing diffusers takes seconds.
    """
    unet = folder.read_json(folder.file("config.json", "unet"))
    scheduler = folder.scheduler()
    ends = (scheduler["beta_start"], scheduler["beta_end"])
    betas = torch.linspace(*ends, scheduler["num_train_timesteps"])
    shape = (unet["in_channels"], unet["sample_size"], unet["sample_size"])
    weights = folder.weights("unet")

    def load() -> Network:
        network = _read_network(folder, "unet", "UNet2DModel")
        return speed_up(_place(network, device, dtype), shape)

    return Model(
        name=folder.name,
        revision=revision([weights], on_progress),
        schedule=Schedule.from_betas(betas),
        shape=shape,
        device=device,
        dtype=dtype,
        prediction_type=scheduler["prediction_type"],
        clip=None,
        line_up=folder.line_up,
        network=LazyNetwork(load, weights.stat().st_size),
    )


def _read_networks(
    folder: Folder,
    classes: dict[str, str],
    device: torch.device,
    dtype: torch.dtype,
    on_progress: OnProgress,
) -> Networks:
    sizes = {part: folder.weights(part).stat().st_size for part in classes}
    networks: Networks = {}
    for part, kind in classes.items():
        done = sum(sizes[read] for read in networks)
        on_progress(f"reading {part}", done, sum(sizes.values()))
        network = _read_network(folder, part, kind)
        networks[part] = _place(network, device, dtype if part == "unet" else torch.float32)
    return networks


def _place(network: "ModelMixin", device: torch.device, dtype: torch.dtype) -> "ModelMixin":
    """Prepare a float32 network for inference on a device, in a dtype."""
    network = network.to(device).eval().requires_grad_(False)
    return network if dtype == torch.float32 else network.to(dtype)


def _read_network(folder: Folder, part: str, kind: str) -> "ModelMixin":
    """Read one network in float32, with all its weights."""
    options: dict[str, object] = {"use_safetensors": True, "local_files_only": True}
    if part == "text_encoder":
        load = _import_transformers(folder).CLIPTextModel.from_pretrained
        options |= {"dtype": torch.float32}
    else:
        import diffusers  # takes seconds to import

        # With low_cpu_mem_usage, modules that other threads build meanwhile lose their weights.
        load = getattr(diffusers, kind).from_pretrained
        options |= {"torch_dtype": torch.float32, "low_cpu_mem_usage": False}
    problem = f"The network in {folder.name}/{part} cannot be read: its weights"
    try:
        network, report = load(
            folder.file("config.json", part).parent, output_loading_info=True, **options
        )
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"{problem} and its config.json do not fit together.") from error
    if missing := report["missing_keys"]:
        raise ModelError(f"{problem} lack {len(missing)} of its tensors.")
    return network


def _read_tokenizer(folder: Folder) -> "CLIPTokenizer":
    tokenizer = _import_transformers(folder).CLIPTokenizer
    try:
        return tokenizer.from_pretrained(folder.path / "tokenizer", local_files_only=True)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise ModelError(
            f"The tokenizer of {folder.name} cannot be read: "
            "its vocab.json and merges.txt are missing or damaged."
        ) from error


def _import_transformers(folder: Folder) -> ModuleType:
    try:
        import transformers  # only models with prompts need it
    except ImportError as error:
        raise ModelError(
            f"The model {folder.name} reads prompts with transformers, which is not installed: "
            "run pip install transformers."
        ) from error
    return transformers


def _autoencoder(folder: Folder, networks: Networks, device: torch.device) -> Autoencoder | None:
    part = next((part for part in ("vqvae", "vae") if part in networks), None)
    if part is None:
        return None
    network = networks[part]
    config = folder.read_json(folder.path / part / "config.json")
    # A quantized latent space varies like unit noise as it is (Rombach et al., appendix D.1),
    # so diffusers' default does not apply to it.
    quantized = type(network).__name__ == "VQModel"
    default = 1.0 if quantized else network.config.scaling_factor
    return Autoencoder(network, float(config.get("scaling_factor", default)), device)


def _shape(folder: Folder, unet: "ModelMixin") -> tuple[int, int, int]:
    size = unet.config.sample_size
    if size is None:
        raise ModelError(
            f"The network of {folder.name} does not say how large its pictures are: "
            "its config.json needs a sample_size."
        )
    height, width = (size, size) if isinstance(size, int) else size
    return unet.config.in_channels, height, width


def _clip(
    scheduler: "DDPMScheduler", config: Config, autoencoder: Autoencoder | None
) -> float | None:
    """Return the bound of x0_hat; latents have none unless the saved scheduler asks for one."""
    clips = scheduler.config.clip_sample
    if autoencoder is not None:
        clips = config.get("clip_sample", False)
    return float(scheduler.config.clip_sample_range) if clips else None


def _scheduler(folder: Folder, config: Config) -> "DDPMScheduler":
    """Make the scheduler of a configuration, and check that its schedule can be used."""
    from diffusers import DDPMScheduler

    try:
        scheduler = DDPMScheduler.from_config(config)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(
            f"The scheduler of {folder.name} cannot be read: "
            "its noise schedule is of an unknown kind."
        ) from error
    prediction_type = scheduler.config.prediction_type
    if prediction_type not in ("epsilon", "v_prediction", "sample"):
        raise ModelError(
            f"The model {folder.name} predicts {prediction_type!r}; "
            "epsilon, v_prediction or sample is needed."
        )
    if float(scheduler.alphas_cumprod[-1]) <= 0:
        raise ModelError(
            f"The schedule of {folder.name} ends at zero signal-to-noise ratio, "
            "where no noise estimate leads back to a picture."
        )
    return scheduler
