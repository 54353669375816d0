"""How a report shows and names pictures."""

import torch
from torch import Tensor

from diffdemo import images


def uris(x: Tensor, largest: int = 96) -> list[str]:
    """(B, C, H, W) → one PNG data URI a row; pictures of more than `largest` pixels a side are averaged down to be shown."""
    if max(x.shape[-2:]) > largest:
        x = torch.nn.functional.adaptive_avg_pool2d(x, largest)
    return [images.data_uri(picture) for picture in images.to_uint8(x)]


def words(picture: str) -> str:
    """A picture that an experiment names, in words: "face 17", "digit 3", "your picture"."""
    kind, _, number = picture.partition(":")
    return f"{kind} {number}" if kind in ("face", "digit") else "your picture"
