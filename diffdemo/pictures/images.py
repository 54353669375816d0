"""Convert pictures between tensors, 8-bit arrays, PIL images and PNG files, and lay out sheets."""

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

DATA_URI = "data:image/png;base64,"


def from_uint8(pictures: np.ndarray) -> Tensor:
    """Convert (B, H, W, C) uint8 to (B, C, H, W) float32 in [-1, 1]."""
    pixels = pictures.transpose(0, 3, 1, 2).astype(np.float32)
    return torch.from_numpy(pixels) / 127.5 - 1


def to_uint8(x: Tensor) -> np.ndarray:
    """Convert (B, C, H, W) in [-1, 1] to (B, H, W, C) uint8; values outside are cut off."""
    x = x.detach().float().cpu().clamp(-1, 1)
    pixels = ((x + 1) * 127.5).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().numpy()


def to_pixels(x: Tensor) -> np.ndarray:
    """Convert (B, C, H, W) in [-1, 1] to (B, H, W, C) float32 in 0..255, not rounded or cut off."""
    pixels = (x.detach().float().cpu() + 1) * 127.5
    return pixels.permute(0, 2, 3, 1).numpy()


def to_pictures(x: Tensor) -> list[Image.Image]:
    """Convert (B, C, H, W) in [-1, 1] to PIL images, rounded to 8 bits as `to_uint8` does."""
    return [_image(pixels) for pixels in to_uint8(x)]


def visualise(x: Tensor) -> np.ndarray:
    """Make pictures to look at of tensors: (B, C, H, W) → (B, H', W', C') uint8.

    Grey and RGB pictures are converted by `to_uint8`. Any other number of channels is a latent:
    its channels are tiled in grey, from -3 (black) to 3 (white), so H' and W' are larger.
    """
    rows, channels, height, width = x.shape
    if channels in (1, 3):
        return to_uint8(x)
    columns = math.ceil(math.sqrt(channels))
    tiles = x.new_zeros(rows, -(-channels // columns) * columns, height, width)
    tiles[:, :channels] = x / 3
    lines = tiles.unflatten(1, (-1, columns)).transpose(2, 3)  # (B, lines, H, columns, W)
    return to_uint8(lines.reshape(rows, 1, lines.shape[1] * height, columns * width))


def flatten(picture: Image.Image) -> Image.Image:
    """Convert any mode to RGB: 16-bit grey is scaled to 8 bits, transparency laid on white."""
    if picture.mode.startswith("I") or picture.mode == "F":
        grey = np.array(picture, dtype=np.float64)
        grey[grey == picture.info.get("transparency", -1)] = 65535
        eight_bits = np.clip(np.rint(grey / 257), 0, 255).astype(np.uint8)
        return Image.fromarray(eight_bits).convert("RGB")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return picture.convert("RGB")


def fit(picture: Image.Image, size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Crop the centre to the shape of `size` (width, height) and resize it.

    Down by the average of a box, which is exact for enlarged pixel art; up by bicubic steps.
    """
    picture = flatten(picture)
    shrinks = picture.width >= size[0] and picture.height >= size[1]
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return ImageOps.fit(picture, size, method).convert(mode)


def png_bytes(picture: np.ndarray) -> bytes:
    """Write (H, W, C) uint8 as a PNG file."""
    buffer = io.BytesIO()
    _image(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(picture: np.ndarray) -> str:
    """Write (H, W, C) uint8 as "data:image/png;base64,…"."""
    return DATA_URI + base64.b64encode(png_bytes(picture)).decode()


def _image(picture: np.ndarray) -> Image.Image:
    """Return a PIL image of (H, W, C) uint8."""
    return Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture)


def sheet(pictures: np.ndarray, columns: int, scale: int = 1, gap: int = 0) -> np.ndarray:
    """Lay pictures out row by row: (B, H, W, C) uint8 → one (H', W', C).

    Each pixel is enlarged `scale` times; gaps are white.
    """
    count, height, width, channels = pictures.shape
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    page = np.full(shape, 255, np.uint8)
    for i, picture in enumerate(pictures):
        y = (i // columns) * (height + gap)
        x = (i % columns) * (width + gap)
        page[y : y + height, x : x + width] = picture
    return page.repeat(scale, 0).repeat(scale, 1)


def side_by_side(pages: Sequence[np.ndarray], gap: int) -> np.ndarray:
    """Put pages of one height next to each other, with white gaps between."""
    height, _, channels = pages[0].shape
    blank = np.full((height, gap, channels), 255, np.uint8)
    parts = [part for page in pages for part in (blank, page)]
    return np.concatenate(parts[1:], 1)
