"""The autoencoder of a latent diffusion model: pictures to latents and back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, VQModel

PIXELS = 2**18  # rows times pixels decoded at once


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """A VQModel or AutoencoderKL and the scale of its latents; computes in float32, in batches.

    Attributes:
        network: diffusers' model.
        scaling: latents are multiplied by it, so that they vary about as much as unit noise.
        device: where it computes.

    References:
        Rombach et al., 2022, High-resolution image synthesis with latent diffusion models,
        section 3.1, arXiv 2112.10752.
    """

    network: "AutoencoderKL | VQModel" = field(repr=False)
    scaling: float
    device: torch.device

    def picture_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the shape of the pictures, (C, H, W), whose latents have the shape (c, h, w)."""
        config = self.network.config
        factor = 2 ** (len(config.block_out_channels) - 1)
        return config.out_channels, shape[1] * factor, shape[2] * factor

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """Encode pictures in [-1, 1], (B, C, H, W), to scaled latents, (B, c, h, w).

        Where the latents are a distribution, this is their mean.
        """
        return self._in_batches(pixels, self._encode, pixels.shape[-2] * pixels.shape[-1])

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode scaled latents, (B, c, h, w), to pictures clipped to [-1, 1], (B, C, H, W)."""
        shape = self.picture_shape(latents.shape[1:])
        if not len(latents):
            return latents.new_empty(0, *shape)
        return self._in_batches(latents, self._decode, shape[1] * shape[2])

    def _encode(self, x: Tensor) -> Tensor:
        output = self.network.encode(x)
        latents = output.latent_dist.mean if hasattr(output, "latent_dist") else output.latents
        return latents * self.scaling

    def _decode(self, x: Tensor) -> Tensor:
        return self.network.decode(x / self.scaling).sample.clamp(-1, 1)

    def _in_batches(self, x: Tensor, compute: Callable[[Tensor], Tensor], area: int) -> Tensor:
        batches = x.split(max(1, PIXELS // area))
        done = [compute(batch.to(self.device, torch.float32)) for batch in batches]
        return torch.cat([batch.to(x.device, x.dtype) for batch in done])
