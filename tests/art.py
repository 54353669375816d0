"""Random pictures and tiles to draw, and a search for them on a page."""

import numpy as np

from diffdemo.report.canvas import Tile


def art(side: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, channels), dtype=np.uint8)


def tile(name: str, label: str = "", back: bool | None = None, **options) -> Tile:
    return Tile(name, label, back, art(**options))


def holds(page: np.ndarray, picture: np.ndarray, scale: int) -> bool:
    """Whether the page holds the picture, each of its pixels enlarged to scale x scale."""
    picture = np.broadcast_to(picture, (*picture.shape[:2], 3))
    large = picture.repeat(scale, 0).repeat(scale, 1)
    height, width = large.shape[:2]
    corners = np.argwhere((page[: 1 - height, : 1 - width] == large[0, 0]).all(-1))
    return any(np.array_equal(page[y : y + height, x : x + width], large) for y, x in corners)
