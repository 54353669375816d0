"""Pictures in (checked, oriented, cropped) and out (8-bit arrays, PNG bytes, data URIs, sheets)."""

import base64
import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from diffdemo.errors import PictureError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_BYTES = 8_000_000
DATA_URI = "data:image/png;base64,"
MAX_PIXELS = 24_000_000


def to_uint8(x: Tensor) -> np.ndarray:
    """(B, C, H, W) in [-1, 1] → (B, H, W, C) uint8; values outside the range are cut off, as any 8-bit picture must."""
    return ((x.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def shown(x: Tensor) -> np.ndarray:
    """(B, C, H, W) as pictures to look at, (B, H', W', C') uint8.

    Grey and coloured pictures are as in `to_uint8`. Any other number of channels is no picture but a code of one: each row becomes a mosaic
    of its channels in grey, -3 black and 3 white, H' and W' so many times larger.
    """
    rows, channels, height, width = x.shape
    if channels in (1, 3):
        return to_uint8(x)
    columns = math.ceil(math.sqrt(channels))
    mosaic = x.new_zeros(rows, -(-channels // columns) * columns, height, width)
    mosaic[:, :channels] = x / 3
    lines = mosaic.unflatten(1, (-1, columns)).transpose(2, 3)  # (B, lines, H, columns, W)
    return to_uint8(lines.reshape(rows, 1, lines.shape[1] * height, columns * width))


def to_pictures(x: Tensor) -> list[Image.Image]:
    """(B, C, H, W) in [-1, 1] → B PIL pictures, rounded to 8 bits as `to_uint8` does."""
    return [Image.fromarray(a.squeeze(-1) if a.shape[-1] == 1 else a) for a in to_uint8(x)]


def to_pixels(x: Tensor) -> np.ndarray:
    """(B, C, H, W) in [-1, 1] → (B, H, W, C) float32 on the scale 0..255, neither rounded nor cut off."""
    return ((x.detach().float().cpu() + 1) * 127.5).permute(0, 2, 3, 1).numpy()


def from_uint8(pictures: np.ndarray) -> Tensor:
    """(B, H, W, C) uint8 → (B, C, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(np.float32)) / 127.5 - 1


def load_picture(source: str | Path | bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a picture that somebody sent: checked before it is decoded, turned upright, laid on white, RGB.

    Args:
        source: a file's path, or the file's bytes.
        max_pixels: the largest width x height taken.

    Raises:
        PictureError: empty, too large, not one of PNG, JPEG, WebP, GIF and BMP, or damaged.
    """
    data = source if isinstance(source, bytes) else read_file(Path(source))
    if not data:
        raise PictureError("The file is empty; please choose a PNG, JPEG, WebP, GIF or BMP picture.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(picture, max_pixels)
            picture.seek(0)
            picture.load()
            return flatten(ImageOps.exif_transpose(picture))
    except PictureError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError) as error:
        raise PictureError("This file is not a readable picture; please choose a PNG, JPEG, WebP, GIF or BMP.") from error


def read_file(path: Path) -> bytes:
    """The bytes of a file that somebody sent.

    Raises:
        PictureError: it is too large or cannot be read.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PictureError(f"The file is larger than {MAX_BYTES // 1_000_000} MB; please choose a smaller picture.")
        return path.read_bytes()
    except OSError as error:
        raise PictureError("The picture could not be read; please choose it again.") from error


def _check_size(picture: Image.Image, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise PictureError(f"The picture has {picture.width} x {picture.height} pixels; at most {max_pixels:,} in all are taken here.")


def flatten(picture: Image.Image) -> Image.Image:
    """Any mode to RGB: 16-bit grey scaled to 8 bits, transparency laid on white."""
    if picture.mode.startswith("I") or picture.mode == "F":
        grey = np.asarray(picture, dtype=np.float64)
        return Image.fromarray(np.clip(np.rint(grey / 257), 0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return picture.convert("RGB")


def fit(picture: Image.Image, size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Centre-crop to the shape of `size` (width, height) and resize: box averages down (exact for enlarged pixel art), bicubic up."""
    picture = flatten(picture)
    down = min(picture.width / size[0], picture.height / size[1]) >= 1
    return ImageOps.fit(picture, size, Image.Resampling.BOX if down else Image.Resampling.BICUBIC).convert(mode)


def png_bytes(picture: np.ndarray) -> bytes:
    """(H, W, C) uint8 → PNG file content."""
    buffer = io.BytesIO()
    Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(picture: np.ndarray) -> str:
    """(H, W, C) uint8 → "data:image/png;base64,…"."""
    return DATA_URI + base64.b64encode(png_bytes(picture)).decode()


def sheet(pictures: np.ndarray, columns: int, scale: int = 1, gap: int = 0) -> np.ndarray:
    """Lay pictures out row by row: (B, H, W, C) uint8 → one (H', W', C), each pixel enlarged `scale` times, white gaps between."""
    count, height, width, channels = pictures.shape
    rows = -(-count // columns)
    page = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        page[y : y + height, x : x + width] = picture
    return page.repeat(scale, 0).repeat(scale, 1)


def side_by_side(pages: Sequence[np.ndarray], gap: int) -> np.ndarray:
    """Put pages of one height next to each other with white gaps between."""
    blank = np.full((pages[0].shape[0], gap, pages[0].shape[2]), 255, np.uint8)
    parts = [part for page in pages for part in (blank, page)][1:]
    return np.concatenate(parts, 1)
