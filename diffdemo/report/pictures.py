"""How a report shows and names pictures."""

import torch
from torch import Tensor

from diffdemo import images
from diffdemo.sheets import Tile


def uris(x: Tensor, largest: int = 96) -> list[str]:
    """(B, C, H, W) → one PNG data URI a row; pictures of more than `largest` pixels a side are averaged down to be shown."""
    if max(x.shape[-2:]) > largest:
        x = torch.nn.functional.adaptive_avg_pool2d(x, largest)
    return [images.data_uri(picture) for picture in images.shown(x)]


def words(picture: str, own: str = "your picture") -> str:
    """A picture that an experiment names, in words: "face 17", "digit 3", or where it is the visitor's what `own` says."""
    kind, _, number = picture.partition(":")
    return f"{kind} {number}" if kind in ("face", "digit") else own


def tile(name: str, label: str, x: Tensor, back: bool | None = None) -> Tile:
    """One picture with its words, from (C, H, W) or (1, C, H, W)."""
    return Tile(name, label, back, images.shown(x.reshape(1, *x.shape[-3:]))[0])


def attributes(kept: Tensor | None, row: tuple[int, ...] | int, count: int) -> str:
    """How much of a picture is still there, in few words: "12 of 14", "same digit", or nothing where nothing can be read."""
    if kept is None:
        return ""
    share = float(kept[row])
    if count == 1:
        return "same digit" if share else "another digit"
    return f"{round(share * count)} of {count}"
