"""Decode the picture files that strangers send: checked first, then made RGB and upright."""

import io
import math
import re
import threading
import warnings
from pathlib import Path

from PIL import Image

from diffdemo.errors import PictureError
from diffdemo.pictures.images import flatten

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_BYTES = 8_000_000
MAX_PIXELS = 24_000_000
MAX_SIDE = 30_000
MAX_SCANS = 100  # of a progressive JPEG, which has about ten; each goes over all pixels again
# Larger pictures are reduced by a whole number, as those of many visitors would fill the memory.
REDUCED_PIXELS = 2048 * 2048
MAX_ASPECT = 4  # long side / short side; longer pictures lose their ends
STRIP = 64  # rows flattened at a time, so that a large picture is never copied whole
ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
UNSUPPORTED = {
    "a HEIC picture": rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)",
    "an AVIF picture": rb".{4}ftypavi[fs]",
    "a TIFF picture": rb"II\*\x00|MM\x00\*",
    "a PDF document": rb"%PDF",
    "a PostScript file": rb"%!PS|\xc5\xd0\xd3\xc6",
    "a Photoshop file": rb"8BPS",
    "an SVG drawing": rb".{,1000}<svg\b",
    "a JPEG XL picture": rb"\xff\n|.{4}JXL ",
    "a JPEG 2000 picture": rb".{4}jP  |\xff\x4f\xff\x51",
    "an icon": rb"\x00\x00\x01\x00",
}
# The markers of a JPEG file, except those inside a scan.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_END_OF_IMAGE = 0xD9
_START_OF_SCAN = 0xDA
# Pictures are decoded one at a time, so that those of many visitors take no more memory than one.
_decoding = threading.Lock()


def load_picture(source: str | Path | bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Load a picture as RGB, turned upright and laid on white.

    It is checked before it is decoded. Of an animation the first frame is taken, of a very long
    picture the middle. A picture of more than REDUCED_PIXELS is made smaller.

    Args:
        source: a file's path, or the file's bytes.
        max_pixels: the largest width x height accepted.

    Raises:
        PictureError: empty, too large, not one of PNG, JPEG, WebP, GIF and BMP, or damaged.
    """
    data = source if isinstance(source, bytes) else read_file(Path(source))
    if not data:
        raise PictureError(
            "The file is empty; please choose a PNG, JPEG, WebP, GIF or BMP picture."
        )
    try:
        with _decoding, warnings.catch_warnings():
            # Pillow warns of damaged EXIF, and of many pixels, which are checked here.
            warnings.simplefilter("ignore")
            return _decode(data, max_pixels)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"The picture has far too many pixels; at most {MAX_PIXELS:,} in all are taken here."
        ) from error
    except Exception as error:  # Pillow's readers raise anything at all on a damaged file
        raise PictureError(_unreadable(data)) from error


def read_file(path: Path) -> bytes:
    """Read a file that somebody sent.

    Raises:
        PictureError: it is too large or cannot be read.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            limit = f"{MAX_BYTES // 1_000_000} MB"
            raise PictureError(f"The file is larger than {limit}; please choose a smaller picture.")
        return path.read_bytes()
    except OSError as error:
        raise PictureError("The picture could not be read; please choose it again.") from error


def _unreadable(data: bytes) -> str:
    """Say why a file cannot be read as a picture."""
    for kind, start in UNSUPPORTED.items():
        if re.match(start, data, re.DOTALL | re.IGNORECASE):
            advice = "please save it as a PNG or JPEG and choose that"
            return f"This is {kind}, which cannot be read here; {advice}."
    return "This file is not a readable picture; please choose a PNG, JPEG, WebP, GIF or BMP."


def _decode(data: bytes, max_pixels: int) -> Image.Image:
    picture = Image.open(io.BytesIO(data), formats=FORMATS)
    _check_size(picture, max_pixels)
    if picture.format in ("JPEG", "MPO"):
        _check_scans(data)
        factor = _factor(picture.size)
        # A JPEG can be decoded 2, 4 or 8 times smaller to begin with.
        picture.draft(None, (picture.width // factor, picture.height // factor))
    picture.seek(0)
    picture.load()
    turn = UPRIGHT.get(picture.getexif().get(ORIENTATION, 1))
    small = _reduce(picture)
    return small if turn is None else small.transpose(turn)


def _check_size(picture: Image.Image, max_pixels: int) -> None:
    size = f"The picture has {picture.width} x {picture.height} pixels"
    if picture.width * picture.height > max_pixels:
        raise PictureError(f"{size}; at most {max_pixels:,} in all are taken here.")
    if max(picture.size) > MAX_SIDE:
        raise PictureError(f"{size}; at most {MAX_SIDE:,} on a side are taken here.")


def _check_scans(data: bytes) -> None:
    """Refuse a JPEG of many scans: a few kilobytes of them take minutes."""
    scans = 0
    at = 2
    while (found := _MARKER.search(data, at)) and found[1][0] != _END_OF_IMAGE:
        scans += found[1][0] == _START_OF_SCAN
        if scans > MAX_SCANS:
            raise PictureError(
                f"This JPEG has more than {MAX_SCANS} scans; "
                "please save it again as an ordinary JPEG or PNG."
            )
        length = int.from_bytes(data[found.end() : found.end() + 2], "big")
        at = found.end() + max(2, length)


def _factor(size: tuple[int, int]) -> int:
    """Return how many times smaller a picture of this size is made."""
    short, long = sorted(size)
    pixels = short * min(long, MAX_ASPECT * short)
    return max(1, math.ceil(math.sqrt(pixels / REDUCED_PIXELS)))


def _reduce(picture: Image.Image) -> Image.Image:
    """Return the middle of a picture as RGB, smaller by `_factor`; works strip by strip."""
    width, height = picture.size
    # Cut as much on either side, so that the centre stays.
    left = max(0, (width - MAX_ASPECT * height) // 2)
    top = max(0, (height - MAX_ASPECT * width) // 2)
    right = width - left
    bottom = height - top
    factor = _factor(picture.size)
    page = Image.new("RGB", (-(-(right - left) // factor), -(-(bottom - top) // factor)))
    for upper in range(top, bottom, STRIP * factor):
        lower = min(bottom, upper + STRIP * factor)
        strip = flatten(picture.crop((left, upper, right, lower)))
        page.paste(strip.reduce(factor) if factor > 1 else strip, (0, (upper - top) // factor))
    return page
