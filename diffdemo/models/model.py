"""One small Model for all kinds of diffusion pipelines: a schedule, a noise prediction, pictures in and out."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffdemo import images
from diffdemo.errors import DiffdemoError, ModelError
from diffdemo.fields import FIELDS
from diffdemo.models.deferred import Deferred
from diffdemo.models.engine import Engine
from diffdemo.models.latent import Autoencoder
from diffdemo.models.prompts import Prompted, TextEncoder
from diffdemo.schedule import Levels, Schedule


@dataclass(frozen=True, eq=False)
class Model:
    """A diffusion model ready to use; its network works on pictures themselves, or on the latents of an autoencoder.

    Attributes:
        name: as a link writes it: the bundled name, the Hub id, or the folder's own name.
        revision: first 12 hex digits of the SHA-256 of its weights; what a link promises to replay.
        schedule: its noise schedule.
        shape: (C, H, W) of what the network works on: pictures, or latents.
        device, dtype: where and in what the network computes.
        prediction_type: what the network predicts: "epsilon", "v_prediction" or "sample".
        clip: x0_hat is clipped to [-clip, clip] when denoising; None = never, as in the bundled models.
        line_up: the bundled distribution it was trained on ("faces"), whose pictures it can be judged by; None = unknown.
        network: called as diffusers' networks are, (x_n, timestep) → what `prediction_type` says.
        autoencoder: between pictures and latents; None where the network works on pictures.
        text: reads prompts; None where the network takes none.
        prompt, guidance: what the network is bound to; see `conditioned`.
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
    autoencoder: Autoencoder | None = field(default=None, repr=False)
    text: TextEncoder | None = field(default=None, repr=False)
    prompt: str = ""
    guidance: float = 1.0

    @property
    def kind(self) -> str:
        """What the network works on: "pixel", "latent", or "text" (latents, told by a prompt)."""
        return "text" if self.text else "latent" if self.autoencoder else "pixel"

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its pictures in pixels."""
        return self.autoencoder.picture_shape(self.shape) if self.autoencoder else self.shape

    @property
    def size(self) -> int:
        """Bytes of all its parameters, and of what is prepared from them; of its weights on the disk, as long as they are not read."""
        if isinstance(self.network, Deferred) and not self.network.read:
            return self.network.size
        prepared = self._called.prepared if isinstance(self._called, Engine) else 0
        return prepared + sum(p.numel() * p.element_size() for module in self._modules() for p in module.parameters())

    @property
    def engine(self) -> str:
        """What computes the network, and in which numbers: a link is replayed exactly by the same on the same kind of machine."""
        whose = "diffdemo's own forward pass" if isinstance(self._called, Engine) else "diffusers"
        return f"{str(self.dtype).removeprefix('torch.')} by {whose}"

    @property
    def _called(self) -> Any:
        """What computes: an `Engine`, or diffusers' network."""
        return self.network.network if isinstance(self.network, Deferred) else self.network

    @property
    def unet(self) -> Any:
        """diffusers' network itself, bound to no prompt."""
        called = self._called
        return called.unet if isinstance(called, Prompted | Engine) else called

    def _modules(self) -> Iterator[torch.nn.Module]:
        yield self.unet
        if self.autoencoder:
            yield self.autoencoder.network
        if self.text:
            yield self.text.network

    @torch.no_grad()
    def predict_noise(self, x_n: Tensor, n: Levels) -> Tensor:
        """eps_hat, the network's estimate of the noise in x_n; other prediction types are converted.

        Args:
            x_n: (B, C, H, W).
            n: 1..T, one for all or (B,); the network's timestep is n - 1.

        Returns:
            (B, C, H, W) in the dtype and on the device of x_n.

        Raises:
            DiffdemoError: x_n has another shape than what the network works on, or n is out of bounds.
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

    def fitted(self, picture: Image.Image) -> Image.Image:
        """A picture as the model sees it: centre-cropped and resized, grey or RGB."""
        channels, height, width = self.picture_shape
        return images.fit(picture, (width, height), "L" if channels == 1 else "RGB")

    def fit(self, pictures: Image.Image | list[Image.Image]) -> np.ndarray:
        """PIL pictures as the model sees them → (B, H, W, C) uint8."""
        channels, height, width = self.picture_shape
        some = pictures if isinstance(pictures, list) else [pictures]
        return np.stack([np.asarray(self.fitted(picture)).reshape(height, width, channels) for picture in some])

    def encode(self, pictures: Image.Image | list[Image.Image]) -> Tensor:
        """PIL pictures → (B, C, H, W) float32 in model space, on the CPU: pixels in [-1, 1], or scaled latents, their mean."""
        pixels = images.from_uint8(self.fit(pictures))
        return self.autoencoder.encode(pixels) if self.autoencoder else pixels

    def pixels(self, x: Tensor) -> Tensor:
        """Model space → pictures: (…, C, H, W) → (…, 3, H, W) in [-1, 1], decoded; the very same tensor where the network works on pictures."""
        if self.autoencoder is None:
            return x
        rows = x.reshape(-1, *self.shape)
        return self.autoencoder.decode(rows).view(*x.shape[:-3], *self.picture_shape)

    def decode(self, x0: Tensor) -> list[Image.Image]:
        """(B, C, H, W) in model space → B PIL pictures, rounded to 8 bits; what lies outside the range is cut off."""
        return images.to_pictures(self.pixels(x0))

    def conditioned(self, prompt: str = "", guidance: float = 1.0) -> "Model":
        """The model told what to draw: eps = eps_u + guidance (eps_c - eps_u), eps_u without the prompt; guidance 1 is eps_c alone.

        Args:
            prompt: what the picture shall show.
            guidance: 1 (off, one network call) to 20.

        Raises:
            DiffdemoError: the model takes no prompt, the prompt is too long for it, or a value is out of bounds.

        References:
            Ho & Salimans, 2022, Classifier-free diffusion guidance, eq. 6 (there w = guidance - 1), arXiv 2207.12598.
        """
        prompt, guidance = FIELDS["prompt"].accept(prompt), FIELDS["guidance"].accept(guidance)
        if self.text is None:
            if prompt or guidance != 1:
                raise ModelError(f"The model {self.name} takes no prompt: leave the prompt empty and the guidance at 1.")
            return self
        self.text.check(prompt)
        return replace(self, prompt=prompt, guidance=guidance, network=Prompted(self.unet, self.text, prompt, guidance))
