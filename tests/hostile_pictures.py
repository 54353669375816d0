"""Picture files as strangers send them: odd ones with what they show, and wrong ones; for uploads, dropped files, links and the command line."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SIDE = 16
ART = np.random.default_rng(7).integers(0, 5, (SIDE, SIDE, 3), dtype=np.uint8) * 63  # 125 colours, so that a palette holds them
OTHER = 252 - ART
EXACT, LOSSY = 0, 8  # the largest difference from what is expected, of 255
ORIENTATION = 0x0112


def encoded(picture: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(buffer, kind, **options)
    return buffer.getvalue()


def large(picture: np.ndarray, times: int = 4) -> np.ndarray:
    return picture.repeat(times, 0).repeat(times, 1)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG file from its rows as they stand in it, each after its filter byte; `more` chunks come before the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def with_chunk(kind: bytes, body: bytes) -> bytes:
    data = encoded(large(ART))
    return data[:33] + chunk(kind, body) + data[33:]


def grey(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture[..., :1], 3, 2)


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The definition of laying on white, in real numbers."""
    share = alpha[..., None] / 255
    return np.rint(colour * share + 255 * (1 - share)).astype(np.uint8)


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """How a camera stores a picture (EXIF 2.3, figure 5), from what its orientation says about the first row and column."""
    ways: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: lambda a: np.rot90(a, -1),
    }  # fmt: skip
    return np.ascontiguousarray(ways[orientation](upright))


def turned(orientation: int, kind: str, **options) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(stored(large(ART, 16), orientation), kind, exif=exif, **options)


def animated(kind: str, **options) -> bytes:
    return encoded(large(ART), kind, save_all=True, append_images=[Image.fromarray(large(OTHER))], duration=100, **options)


def palette() -> Image.Image:
    return Image.fromarray(large(ART)).quantize(125, dither=Image.Dither.NONE)


def see_through_palette() -> tuple[bytes, np.ndarray]:
    indexes = np.add.outer(np.arange(SIDE), np.arange(SIDE)).astype(np.uint8) % 3
    colours = np.array([[10, 200, 30], [255, 0, 0], [0, 0, 90]], np.uint8)
    picture = Image.fromarray(large(indexes[..., None])[..., 0], "P")
    picture.putpalette(colours.tobytes())
    return encoded(picture, transparency=0), np.where((indexes == 0)[..., None], 255, colours[indexes]).astype(np.uint8)


def see_through(mode: str) -> tuple[bytes, np.ndarray]:
    alpha = (np.arange(SIDE * SIDE, dtype=np.uint8)).reshape(SIDE, SIDE)
    colour = ART if mode == "RGBA" else ART[..., :1]
    picture = Image.fromarray(large(np.concatenate([colour, alpha[..., None]], 2)), mode)
    return encoded(picture), on_white(colour, alpha) if mode == "RGBA" else grey(on_white(colour, alpha))


def sixteen_bits(*more: bytes) -> bytes:
    values = large(ART)[..., 0].astype(">u2") * 257
    return png(SIDE * 4, SIDE * 4, 16, 0, b"".join(b"\0" + row.tobytes() for row in values), *more)


def cmyk() -> tuple[bytes, np.ndarray]:
    inks = np.concatenate([ART, ART[::-1, :, :1] // 2], 2)
    shown = (255.0 - inks[..., :3]) * (255.0 - inks[..., 3:]) / 255
    return encoded(Image.fromarray(large(inks, 16), "CMYK"), "JPEG", quality=98, subsampling=0), np.rint(shown).astype(np.uint8)


def line(length: int, upright: bool) -> bytes:
    """One pixel wide, and of one colour in its middle."""
    pixels = np.random.default_rng(0).integers(0, 256, (length, 1, 3), dtype=np.uint8)
    pixels[length // 2 - 50 : length // 2 + 50] = (30, 60, 90)
    return encoded(pixels if upright else pixels.swapaxes(0, 1).copy())


def plain(*colour: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


@cache
def odd() -> dict[str, tuple[bytes, np.ndarray, int]]:
    """Name → a file, what a model of 16 x 16 pixels must see, and how far off that may be."""
    half = (ART[..., 0] > 100).astype(np.uint8) * 255
    clear = np.where((ART[..., :1] == 126), 255, grey(ART)).astype(np.uint8)
    found: dict[str, tuple[bytes, np.ndarray, int]] = {
        "png": (encoded(large(ART)), ART, EXACT), "bmp": (encoded(large(ART), "BMP"), ART, EXACT),
        "webp, lossless": (encoded(large(ART), "WEBP", lossless=True), ART, EXACT), "gif": (encoded(palette(), "GIF"), ART, EXACT),
        "jpeg": (encoded(large(ART, 16), "JPEG", quality=98, subsampling=0), ART, LOSSY), "png, palette": (encoded(palette()), ART, EXACT),
        "gif, animated": (animated("GIF"), ART, EXACT), "webp, animated": (animated("WEBP", lossless=True), ART, EXACT),
        "png, animated": (animated("PNG"), ART, EXACT), "mpo": (animated("MPO", quality=98, subsampling=0), ART, LOSSY),
        "png, grey": (encoded(large(ART)[..., 0]), grey(ART), EXACT), "png, 16 bits": (sixteen_bits(), grey(ART), EXACT),
        "png, 16 bits, one level clear": (sixteen_bits(chunk(b"tRNS", struct.pack(">H", 126 * 257))), clear, EXACT),
        "png, 1 bit": (encoded(Image.fromarray(large(half[..., None])[..., 0]).convert("1")), grey(half[..., None]), EXACT),
        "png, rgba": (*see_through("RGBA"), 1), "png, grey and alpha": (*see_through("LA"), 1),
        "webp, all clear": (encoded(np.dstack([large(ART), 0 * large(ART)[..., 0]]), "WEBP", lossless=True, exact=True), plain(255, 255, 255), EXACT),
        "png, clear palette": (*see_through_palette(), EXACT), "jpeg, cmyk": (*cmyk(), LOSSY),
        "png, 1 x 1": (encoded(plain(1, 2, 3)[:1, :1]), plain(1, 2, 3), EXACT), "png, 1 x 10000": (line(10_000, True), plain(30, 60, 90), EXACT),
        "png, 10001 x 1": (line(10_001, False), plain(30, 60, 90), EXACT),
        "png, 4096 x 4096": (encoded(large(ART, 256), compress_level=1), ART, EXACT),
        "jpeg, 4800 x 4800": (encoded(large(ART, 300), "JPEG", quality=90), ART, LOSSY),
        "jpeg, progressive": (encoded(large(ART, 16), "JPEG", quality=98, subsampling=0, progressive=True), ART, LOSSY),
        "png and a zip": (encoded(large(ART)) + b"PK\x03\x04" + b"\0" * 30, ART, EXACT),
        "png and a script": (encoded(large(ART), pnginfo=_text("<script>alert(1)</script>")) + b"<script>alert(1)</script>", ART, EXACT),
        "gif and a script": (encoded(palette(), "GIF", comment=b"*/=1;alert(1)//"), ART, EXACT),
        "png called jpeg": (encoded(large(ART)), ART, EXACT),
    }  # fmt: skip
    for way in range(1, 9):
        found[f"jpeg, orientation {way}"] = (turned(way, "JPEG", quality=98, subsampling=0), ART, LOSSY)
        found[f"png, orientation {way}"] = (turned(way, "PNG"), ART, EXACT)
    return found


def _text(said: str) -> PngInfo:
    info = PngInfo()
    info.add_text("Comment", said)
    return info


def jpeg_of_many_scans() -> bytes:
    """A progressive JPEG whose last scan is said again 5,000 times: 300 kB that take minutes."""
    data = encoded(Image.new("L", (6000, 4000), 128), "JPEG", progressive=True)
    return data[:-2] + data[data.rfind(b"\xff\xda") : -2] * 5000 + b"\xff\xd9"


def broken_checksum(kind: bytes) -> bytes:
    data = bytearray(encoded(large(ART), pnginfo=_text("x")))
    data[data.find(kind) + 4 + int.from_bytes(data[data.find(kind) - 4 : data.find(kind)], "big")] ^= 1
    return bytes(data)


def canvas(width: int, height: int) -> bytes:
    """An animated WebP of one small frame on a canvas of any size."""
    frame = encoded(plain(1, 2, 3), "WEBP")[12:]
    body = bytes(6) + (SIDE - 1).to_bytes(3, "little") * 2 + bytes(4) + frame
    parts = [b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")]
    parts += [b"ANIM" + struct.pack("<I", 6) + bytes(6), b"ANMF" + struct.pack("<I", len(body)) + body]
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, parts))) + b"WEBP" + b"".join(parts)


@cache
def wrong() -> dict[str, tuple[bytes, str]]:
    """Name → a file, and a word of what is said of it."""
    noise = encoded(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    files = {kind: encoded(large(ART), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")}
    bomb = png(20_000, 20_000, 1, 0, bytes(2501 * 20_000))
    unread = "readable picture"
    found = {
        "empty": (b"", "empty"), "one byte": (b"\x89", unread), "zeros": (bytes(5000), unread), "text": (b"hello\n" * 50, unread),
        "json": (b'{"a": 1}', unread), "html": (b"<!doctype html><script>alert(1)</script>", unread), "zip": (b"PK\x03\x04" + bytes(100), unread),
        "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', "SVG"),
        "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "HEIC"), "avif": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(200), "AVIF"),
        "tiff": (encoded(large(ART), "TIFF"), "TIFF"), "eps": (encoded(large(ART), "EPS"), "PostScript"), "pdf": (encoded(large(ART), "PDF"), "PDF"),
        "icon": (encoded(large(ART), "ICO"), "icon"), "photoshop": (b"8BPS\0\1" + bytes(100), "Photoshop"),
        "bomb by its header, png": (png(60_000, 60_000, 8, 2, bytes(100)), "at most"),
        "bomb by its header, bmp": (_bmp_head(30_000, 30_000), "at most"),
        "bomb by its header, gif": (b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + files["GIF"][10:], "at most"),
        "bomb by its header, webp": (canvas(16_383, 16_383), "at most"), "bomb by its header, webp, one side": (canvas(2**24, 255), "at most"),
        "bomb, 20000 x 20000": (bomb, "at most"), "bomb, 8000 x 8000": (png(8000, 8000, 1, 0, bytes(1001 * 8000)), "at most 24,000,000"),
        "bomb of one row": (png(700_000, 1, 8, 2, bytes(2_100_001)), "at most 30,000"), "bomb of scans": (jpeg_of_many_scans(), "scans"),
        "png, giant text": (with_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50_000_000), 9)), unread),
        "png, giant profile": (with_chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(50_000_000), 9)), unread),
        "png, broken checksum of the head": (broken_checksum(b"IHDR"), unread), "png, broken checksum of a text": (broken_checksum(b"tEXt"), unread),
        "png, no pixels": (files["PNG"][:33] + chunk(b"IEND", b""), unread), "png, 0 x 0": (png(0, 0, 8, 2, b""), unread),
        "png head, jpeg body": (files["PNG"][:8] + files["JPEG"], unread), "jpeg head, png body": (files["JPEG"][:20] + files["PNG"], unread),
        "png, cut in its head": (noise[:20], unread), "png, cut in its pixels": (noise[: len(noise) // 2], unread),
    }  # fmt: skip
    for kind in ("JPEG", "GIF", "WEBP", "BMP"):
        found[f"{kind.lower()}, cut in the middle"] = (files[kind][: len(files[kind]) // 2], unread)
        found[f"{kind.lower()}, cut in its head"] = (files[kind][:11], unread)
    return found


def _bmp_head(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 200, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(146)
