"""One small Model for all pipelines: a schedule, a noise prediction, pictures in and out."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffdemo.diffusion.schedule import Levels, Schedule
from diffdemo.errors import DiffdemoError, ModelError
from diffdemo.models import prompts
from diffdemo.models.fast.engine import Engine
from diffdemo.models.latent import Autoencoder
from diffdemo.models.network import LazyNetwork, Network
from diffdemo.models.prompts import Prompted, TextEncoder
from diffdemo.pictures import images

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel, UNet2DModel


@dataclass(frozen=True, eq=False)
class Model:
    """A diffusion model; its network works on pictures, or on the latents of an autoencoder.

    Attributes:
        name: as a link writes it: the bundled name, the Hub id, or the folder's own name.
        revision: first 12 hex digits of the SHA-256 of its weights, which a link names too.
        schedule: its noise schedule.
        shape: (C, H, W) of what the network works on: pictures, or latents.
        device: where the network computes.
        dtype: in which the network computes.
        prediction_type: what the network predicts: "epsilon", "v_prediction" or "sample".
        clip: x0_hat is clipped to [-clip, clip] when denoising; None = never.
        line_up: the bundled distribution it was trained on ("faces"); None = unknown.
        network: (x_n, timestep) → what `prediction_type` says, called as diffusers' networks are.
        autoencoder: between pictures and latents; None if the network works on pictures.
        text: encodes prompts; None if the network takes none.
        prompt: what the pictures show; see `conditioned`.
        guidance: how strongly they follow the prompt; see `conditioned`.
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
    network: Network = field(repr=False)
    autoencoder: Autoencoder | None = field(default=None, repr=False)
    text: TextEncoder | None = field(default=None, repr=False)
    prompt: str = ""
    guidance: float = 1.0

    @property
    def kind(self) -> str:
        """What the network works on: "pixel", "latent", or "text" (latents, with a prompt)."""
        if self.text:
            return "text"
        return "latent" if self.autoencoder else "pixel"

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its pictures in pixels."""
        return self.autoencoder.picture_shape(self.shape) if self.autoencoder else self.shape

    @property
    def size(self) -> int:
        """Bytes of all its weights in memory; on the disk while they are not loaded."""
        if isinstance(self.network, LazyNetwork) and not self.network.loaded:
            return self.network.size
        network = self._loaded_network
        prepared = network.prepared if isinstance(network, Engine) else 0
        others = [part.network for part in (self.autoencoder, self.text) if part]
        return prepared + sum(p.nbytes for net in (self.unet, *others) for p in net.parameters())

    @property
    def engine(self) -> str:
        """What computes the network, in which dtype; a link is replayed exactly by the same."""
        own = isinstance(self._loaded_network, Engine)
        whose = "diffdemo's own forward pass" if own else "diffusers"
        return f"{str(self.dtype).removeprefix('torch.')} by {whose}"

    @property
    def _loaded_network(self) -> Network:
        return self.network.network if isinstance(self.network, LazyNetwork) else self.network

    @property
    def unet(self) -> "UNet2DConditionModel | UNet2DModel":
        """diffusers' network, without a prompt."""
        network = self._loaded_network
        return network.unet if isinstance(network, Prompted | Engine) else network

    @torch.no_grad()
    def predict_noise(self, x_n: Tensor, n: Levels) -> Tensor:
        """Return eps_hat, the network's estimate of the noise in x_n.

        Other prediction types are converted.

        Args:
            x_n: (B, C, H, W).
            n: 1..T, one for all or (B,); the network's timestep is n - 1.

        Returns:
            (B, C, H, W) in the dtype and on the device of x_n.

        Raises:
            DiffdemoError: x_n has another shape than the network needs, or n is out of bounds.
        """
        if x_n.shape[1:] != self.shape:
            raise DiffdemoError(
                f"The model {self.name} works on pictures of shape {self.shape}, "
                f"not {tuple(x_n.shape[1:])}."
            )
        n = self.schedule.levels(n, len(x_n), lowest=1)
        if not len(x_n):
            return x_n
        timestep = (n - 1).to(self.device)
        x = x_n.to(self.device, self.dtype)
        output = self.network(x, timestep, return_dict=False)[0].to(x_n.device, x_n.dtype)
        if self.prediction_type == "v_prediction":
            return self.schedule.eps_from_v(x_n, output, n)
        if self.prediction_type == "sample":
            return self.schedule.eps_from_x0(x_n, output, n)
        return output

    def fit_picture(self, picture: Image.Image) -> Image.Image:
        """Return a picture as the model sees it: centre-cropped and resized, grey or RGB."""
        channels, height, width = self.picture_shape
        return images.fit(picture, (width, height), "L" if channels == 1 else "RGB")

    def fit_pixels(self, picture: Image.Image) -> np.ndarray:
        """Return the pixels of `fit_picture`, (H, W, C) uint8."""
        channels, height, width = self.picture_shape
        return np.asarray(self.fit_picture(picture)).reshape(height, width, channels)

    def encode(self, pictures: Image.Image | list[Image.Image]) -> Tensor:
        """Encode PIL pictures to model space, (B, C, H, W) float32 on the CPU.

        That is pixels in [-1, 1], or the mean of scaled latents.
        """
        batch = pictures if isinstance(pictures, list) else [pictures]
        pixels = images.from_uint8(np.stack([self.fit_pixels(picture) for picture in batch]))
        return self.autoencoder.encode(pixels) if self.autoencoder else pixels

    def pixels(self, x: Tensor) -> Tensor:
        """Decode model space, (…, C, H, W), to pixels in [-1, 1], (…, C, H, W).

        Where the network works on pictures, this returns the same tensor.
        """
        if self.autoencoder is None:
            return x
        rows = x.reshape(-1, *self.shape)
        return self.autoencoder.decode(rows).view(*x.shape[:-3], *self.picture_shape)

    def decode(self, x0: Tensor) -> list[Image.Image]:
        """Decode model space, (B, C, H, W), to B PIL pictures, clipped and rounded to 8 bits."""
        return images.to_pictures(self.pixels(x0))

    def conditioned(self, prompt: str = "", guidance: float = 1.0) -> "Model":
        """Return the model with a prompt: eps = eps_u + guidance (eps_c - eps_u).

        eps_c is predicted with the prompt and eps_u without; guidance 1 is eps_c alone.

        Args:
            prompt: what the picture shall show.
            guidance: 1 (off) to 20; above 1 the network computes every row twice.

        Raises:
            DiffdemoError: the model takes no prompt, the prompt is too long for it, or a value is
                out of bounds.

        References:
            Ho & Salimans, 2022, Classifier-free diffusion guidance, eq. 6 (there
            w = guidance - 1), arXiv 2207.12598.
        """
        prompts.check(prompt, guidance)
        if self.text is None:
            if prompt or guidance != 1:
                raise ModelError(
                    f"The model {self.name} takes no prompt: "
                    "leave the prompt empty and the guidance at 1."
                )
            return self
        self.text.check(prompt)
        network = Prompted(self.unet, self.text, prompt, guidance)
        return replace(self, prompt=prompt, guidance=guidance, network=network)
