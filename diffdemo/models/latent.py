"""Between pictures and latents: the autoencoder of a latent diffusion model."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

PIXELS = 2**18  # rows times pixels decoded at once at most


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """A VQModel or AutoencoderKL with what its latents are multiplied by; computes in float32, one small chunk after the other.

    Attributes:
        network: diffusers' model.
        scaling: latents are multiplied by it, so that they vary about as much as unit noise.
        device: where it computes.

    References:
        Rombach et al., 2022, High-resolution image synthesis with latent diffusion models, section 3.1, arXiv 2112.10752.
    """

    network: Any = field(repr=False)
    scaling: float
    device: torch.device

    def picture_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(C, H, W) of the pictures whose latents have a shape."""
        factor = 2 ** (len(self.network.config.block_out_channels) - 1)
        return self.network.config.out_channels, shape[1] * factor, shape[2] * factor

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W) pictures in [-1, 1] → (B, c, h, w) scaled latents, the mean where they are a distribution."""
        return self._chunks(pixels, self._encode, pixels.shape[-2] * pixels.shape[-1])

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """(B, c, h, w) scaled latents → (B, C, H, W) pictures in [-1, 1]; what lies outside is cut off."""
        channels, height, width = latents.shape[1:]
        shape = self.picture_shape((channels, height, width))
        if not len(latents):
            return latents.new_empty(0, *shape)
        return self._chunks(latents, self._decode, shape[1] * shape[2])

    def _encode(self, x: Tensor) -> Tensor:
        found = self.network.encode(x)
        return (found.latent_dist.mean if hasattr(found, "latent_dist") else found.latents) * self.scaling

    def _decode(self, x: Tensor) -> Tensor:
        return self.network.decode(x / self.scaling).sample.clamp(-1, 1)

    def _chunks(self, x: Tensor, compute: Any, area: int) -> Tensor:
        parts = x.split(max(1, PIXELS // area))
        return torch.cat([compute(part.to(self.device, torch.float32)).to(x.device, x.dtype) for part in parts])
