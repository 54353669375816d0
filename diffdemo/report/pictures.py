"""Pictures of a result for those who show it: data URIs and tiles."""

import torch
from torch import Tensor

from diffdemo.pictures import images
from diffdemo.report.canvas import Tile

LARGEST = 96  # pixels a side of a picture that is sent; larger ones are averaged down


def shrunk(x: Tensor, largest: int = LARGEST) -> Tensor:
    """Average (B, C, H, W) down to at most `largest` pixels a side."""
    if max(x.shape[-2:]) <= largest:
        return x
    return torch.nn.functional.adaptive_avg_pool2d(x, largest)


def uris(x: Tensor, largest: int = LARGEST) -> list[str]:
    """Write (B, C, H, W) as one PNG data URI a row; larger pictures are averaged down."""
    return [images.data_uri(picture) for picture in images.visualise(shrunk(x, largest))]


def uri(x: Tensor) -> str:
    """Write one picture, (C, H, W) or (1, C, H, W), as a PNG data URI."""
    return uris(x.reshape(1, *x.shape[-3:]))[0]


def tile(name: str, label: str, x: Tensor, back: bool | None = None) -> Tile:
    """Make a tile of one picture, (C, H, W) or (1, C, H, W); `back` says whether it came back."""
    return Tile(name, label, back, images.visualise(x.reshape(1, *x.shape[-3:]))[0])
