"""The folder of a saved diffusers pipeline: which parts it needs, and where their files are.

Three kinds of pipelines are read: of pixels (DDPMPipeline, DDIMPipeline), of latents (LDMPipeline)
and of latents with a prompt (StableDiffusionPipeline). Weights are read from safetensors only.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffdemo.errors import ModelError

OnProgress = Callable[[str, int, int], None]  # what is being done, bytes done, bytes in all
Config = dict[str, Any]  # what a JSON file holds
Classes = dict[str, tuple[str, ...]]  # part of a pipeline → the classes it may be of

_PIXEL: Classes = {"unet": ("diffusers.UNet2DModel",)}
_LATENT: Classes = {**_PIXEL, "vqvae": ("diffusers.VQModel", "diffusers.AutoencoderKL")}
_TEXT: Classes = {
    "unet": ("diffusers.UNet2DConditionModel",),
    "vae": ("diffusers.AutoencoderKL",),
    "text_encoder": ("transformers.CLIPTextModel",),
    "tokenizer": ("transformers.CLIPTokenizer", "transformers.CLIPTokenizerFast"),
}
_PIPELINES = {
    "DDPMPipeline": _PIXEL,
    "DDIMPipeline": _PIXEL,
    "LDMPipeline": _LATENT,
    "StableDiffusionPipeline": _TEXT,
}
_WEIGHTS = "diffusion_pytorch_model.safetensors"
_TEXT_WEIGHTS = "model.safetensors"
_SCHEDULER = "scheduler_config.json"
FILES = (  # all that is read, for downloads
    "model_index.json",
    "config.json",
    _SCHEDULER,
    _WEIGHTS,
    f"scheduler/{_SCHEDULER}",
    *(f"{part}/{file}" for part in ("unet", "vqvae", "vae") for file in ("config.json", _WEIGHTS)),
    "text_encoder/config.json",
    f"text_encoder/{_TEXT_WEIGHTS}",
    "tokenizer/*.json",
    "tokenizer/*.txt",
)
_BLOCK = 2**24  # bytes hashed at once


@dataclass(frozen=True)
class Folder:
    """The folder of a model.

    Attributes:
        name: of the model.
        path: where the folder is.
        line_up: for a bundled model the distribution it was trained on.
    """

    name: str
    path: Path
    line_up: str | None = None

    def classes(self) -> dict[str, str]:
        """Return the class of each part of the pipeline.

        Raises:
            ModelError: this is no pipeline of the kinds that are read.
        """
        if not self.file("model_index.json").is_file():
            raise ModelError(
                f"The folder {self.name} has no model_index.json: "
                "it is not a saved diffusers pipeline."
            )
        index = self.read_json(self.file("model_index.json"))
        pipeline = index.get("_class_name")
        parts = _PIPELINES.get(str(pipeline), {})
        readable = all(
            index.get(part) in [name.split(".") for name in names] for part, names in parts.items()
        )
        if not parts or not readable:
            raise ModelError(
                f"The folder {self.name} holds a {pipeline} that is not read here; "
                "a DDPMPipeline or DDIMPipeline with a UNet2DModel, an LDMPipeline or "
                "a StableDiffusionPipeline is needed."
            )
        return {part: index[part][1] for part in parts}

    def file(self, name: str, part: str = "") -> Path:
        """Return the path of a part's file; the oldest repositories have all files at the top."""
        inside = self.path / part
        at_top = part in ("unet", "scheduler") and not inside.is_dir()
        return self.path / name if at_top else inside / name

    def scheduler(self) -> Config:
        """Return the configuration of the scheduler.

        Raises:
            ModelError: there is none.
        """
        file = self.file(_SCHEDULER, "scheduler")
        if not file.is_file():
            raise ModelError(f"The folder {self.name} has no scheduler/{_SCHEDULER}.")
        return self.read_json(file)

    def weights(self, part: str) -> Path:
        """Return the path of a part's weights.

        Raises:
            ModelError: they are missing.
        """
        file = self.file(_TEXT_WEIGHTS if part == "text_encoder" else _WEIGHTS, part)
        if not file.is_file():
            raise ModelError(
                f"The weights of {self.name} are missing: {file.relative_to(self.path)} is not "
                "there (only safetensors are read, never pickled .bin files)."
            )
        return file

    def read_json(self, path: Path) -> Config:
        """Return the object in a JSON file.

        Raises:
            ModelError: there is no such object.
        """
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ModelError(
                f"The file {path.name} of the model {self.name} is not valid JSON."
            ) from error
        if not isinstance(content, dict):
            raise ModelError(
                f"The file {path.name} of the model {self.name} does not hold an object."
            )
        return content


def revision(files: list[Path], on_progress: OnProgress) -> str:
    """Return the first 12 hex digits of the SHA-256 over all files, one after the other."""
    digest = hashlib.sha256()
    done = 0
    total = sum(file.stat().st_size for file in files)
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
                done += len(block)
                on_progress("checking the weights", done, total)
    return digest.hexdigest()[:12]
