"""Pictures in (checked, oriented, cropped) and out (8-bit arrays, PNG bytes, data URIs, sheets)."""

import base64
import io
import math
import re
import threading
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
MAX_SIDE = 30_000
MAX_SCANS = 100  # of a progressive JPEG, which has about ten; each goes over all pixels again
KEPT_PIXELS = 2048 * 2048  # larger pictures are reduced at once by a whole number: many visitors' together would fill the memory
LONGEST = 4  # long side / short side of what is kept, from the middle; no model's picture is as long
STRIP = 64  # rows that are flattened at a time, so that no second copy of a large picture is ever made
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
RECOGNISED = {
    "a HEIC picture": rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", "an AVIF picture": rb".{4}ftypavi[fs]", "a TIFF picture": rb"II\*\x00|MM\x00\*",
    "a PDF document": rb"%PDF", "a PostScript file": rb"%!PS|\xc5\xd0\xd3\xc6", "a Photoshop file": rb"8BPS", "an SVG drawing": rb".{,1000}<svg\b",
    "a JPEG XL picture": rb"\xff\n|.{4}JXL ", "a JPEG 2000 picture": rb".{4}jP  |\xff\x4f\xff\x51", "an icon": rb"\x00\x00\x01\x00",
}  # fmt: skip
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # of a JPEG file, but for those that stand inside of a scan
_EOI, _SOS = 0xD9, 0xDA
_decoding = threading.Lock()  # one picture at a time, whoever sent it


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

    Of an animation it is the first frame, of a very long picture the middle, and one of more than KEPT_PIXELS is reduced. Pictures are decoded
    one at a time, so that many visitors take no more memory than one.

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
        with _decoding, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bombs, which are looked for here, and of damaged EXIF
            return _decoded(data, max_pixels)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"The picture has far too many pixels; at most {MAX_PIXELS:,} in all are taken here.") from error
    except Exception as error:  # Pillow's readers raise anything at all on a damaged file
        raise PictureError(_no_picture(data)) from error


def _no_picture(data: bytes) -> str:
    """What to say of a file that cannot be read as a picture."""
    found = next((what for what, start in RECOGNISED.items() if re.match(start, data, re.DOTALL | re.IGNORECASE)), None)
    if found:
        return f"This is {found}, which cannot be read here; please save it as a PNG or JPEG and choose that."
    return "This file is not a readable picture; please choose a PNG, JPEG, WebP, GIF or BMP."


def _decoded(data: bytes, max_pixels: int) -> Image.Image:
    picture = Image.open(io.BytesIO(data), formats=FORMATS)
    _check_size(picture, max_pixels)
    if picture.format in ("JPEG", "MPO"):
        _check_scans(data)
        factor = _factor(picture.size)
        picture.draft(None, (picture.width // factor, picture.height // factor))  # decoded smaller to begin with, by 2, 4 or 8
    picture.seek(0)
    picture.load()
    turn = UPRIGHT.get(picture.getexif().get(0x0112, 1))
    small = _reduced(picture)
    return small if turn is None else small.transpose(turn)


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG that goes over its pixels again and again: a few kilobytes of that take minutes."""
    at, scans = 2, 0
    while (found := _MARKER.search(data, at)) and found[1][0] != _EOI and scans <= MAX_SCANS:
        scans += found[1][0] == _SOS
        at = found.end() + max(2, int.from_bytes(data[found.end() : found.end() + 2], "big"))
    if scans > MAX_SCANS:
        raise PictureError(f"This JPEG has more than {MAX_SCANS} scans; please save it again as an ordinary JPEG or PNG.")


def _factor(size: tuple[int, int]) -> int:
    """How many times smaller a picture of some size is kept."""
    short, long = sorted(size)
    return max(1, math.ceil(math.sqrt(short * min(long, LONGEST * short) / KEPT_PIXELS)))


def _reduced(picture: Image.Image) -> Image.Image:
    """The middle of a picture in RGB, as many times smaller as `_factor` says; made strip by strip."""
    width, height = picture.size
    left, top = max(0, (width - LONGEST * height) // 2), max(0, (height - LONGEST * width) // 2)  # both sides alike, for the centre stays
    right, bottom, factor = width - left, height - top, _factor(picture.size)
    page = Image.new("RGB", (-(-(right - left) // factor), -(-(bottom - top) // factor)))
    for upper in range(top, bottom, STRIP * factor):
        strip = flatten(picture.crop((left, upper, right, min(bottom, upper + STRIP * factor))))
        page.paste(strip.reduce(factor) if factor > 1 else strip, (0, (upper - top) // factor))
    return page


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
    if max(picture.size) > MAX_SIDE:
        raise PictureError(f"The picture has {picture.width} x {picture.height} pixels; at most {MAX_SIDE:,} on a side are taken here.")


def flatten(picture: Image.Image) -> Image.Image:
    """Any mode to RGB: 16-bit grey scaled to 8 bits, transparency laid on white."""
    if picture.mode.startswith("I") or picture.mode == "F":
        grey = np.array(picture, dtype=np.float64)
        grey[grey == picture.info.get("transparency", -1)] = 65535
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
