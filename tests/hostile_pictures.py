"""Picture files as strangers send them: odd ones with what they show, and wrong ones.

They are uploaded, dropped on the page, put into links and given to the command line.
"""

import io
import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SIDE = 16
# 125 colours, so that a palette holds them.
ART = np.random.default_rng(7).integers(0, 5, (SIDE, SIDE, 3), dtype=np.uint8) * 63
OTHER = 252 - ART
EXACT = 0  # the largest difference from what is expected, of 255
LOSSY = 8
ORIENTATION = 0x0112  # the EXIF tag
FINE = {"quality": 98, "subsampling": 0}  # of JPEG
SCRIPT = b"<script>alert(1)</script>"


def encoded(picture: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def large(picture: np.ndarray, times: int = 4) -> np.ndarray:
    return picture.repeat(times, 0).repeat(times, 1)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(size: tuple[int, int], depth: int, colour: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG file of rows, each after its filter byte; `more` chunks come before the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"".join([b"\x89PNG\r\n\x1a\n", head, *more, pixels, chunk(b"IEND", b"")])


def with_chunk(kind: bytes, body: bytes) -> bytes:
    data = encoded(large(ART))
    return data[:33] + chunk(kind, body) + data[33:]


def with_text(text: str) -> bytes:
    info = PngInfo()
    info.add_text("Comment", text)
    return encoded(large(ART), pnginfo=info)


def grey(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture[..., :1], 3, 2)


def plain(*colour: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def turned(orientation: int, kind: str, **options) -> bytes:
    """A picture as a camera stores it: EXIF says where its first row and column belong."""
    upright = large(ART, 16)
    ways = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(np.ascontiguousarray(ways[orientation]), kind, exif=exif, **options)


def animated(kind: str, **options) -> bytes:
    second = Image.fromarray(large(OTHER))
    options |= {"save_all": True, "append_images": [second], "duration": 100}
    return encoded(large(ART), kind, **options)


def palette() -> Image.Image:
    return Image.fromarray(large(ART)).quantize(125, dither=Image.Dither.NONE)


def transparent_palette() -> tuple[bytes, np.ndarray]:
    indexes = np.add.outer(np.arange(SIDE), np.arange(SIDE)).astype(np.uint8) % 3
    colours = np.array([[10, 200, 30], [255, 0, 0], [0, 0, 90]], np.uint8)
    picture = Image.fromarray(large(indexes), "P")
    picture.putpalette(colours.tobytes())
    colours[0] = 255
    return encoded(picture, transparency=0), colours[indexes]


def transparent(mode: str) -> tuple[bytes, np.ndarray]:
    """A picture with an alpha channel, and what it looks like on white."""
    alpha = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE, 1)
    colour = ART if mode == "RGBA" else ART[..., :1]
    picture = Image.fromarray(large(np.concatenate([colour, alpha], 2)), mode)
    share = alpha / 255
    expected = np.rint(colour * share + 255 * (1 - share)).astype(np.uint8)
    return encoded(picture), expected if mode == "RGBA" else grey(expected)


def clear() -> bytes:
    """A picture whose colours are all transparent."""
    rgba = np.dstack([large(ART), 0 * large(ART)[..., 0]])
    return encoded(rgba, "WEBP", lossless=True, exact=True)


def sixteen_bits(*more: bytes) -> bytes:
    values = large(ART)[..., 0].astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    return png((SIDE * 4, SIDE * 4), 16, 0, rows, *more)


def sixteen_bits_with_a_clear_level() -> tuple[bytes, np.ndarray]:
    expected = np.where(ART[..., :1] == 126, 255, grey(ART)).astype(np.uint8)
    return sixteen_bits(chunk(b"tRNS", struct.pack(">H", 126 * 257))), expected


def one_bit() -> tuple[bytes, np.ndarray]:
    half = (ART[..., :1] > 100).astype(np.uint8) * 255
    return encoded(Image.fromarray(large(half)[..., 0]).convert("1")), grey(half)


def cmyk() -> tuple[bytes, np.ndarray]:
    inks = np.concatenate([ART, ART[::-1, :, :1] // 2], 2)
    rgb = (255.0 - inks[..., :3]) * (255.0 - inks[..., 3:]) / 255
    data = encoded(Image.fromarray(large(inks, 16), "CMYK"), "JPEG", **FINE)
    return data, np.rint(rgb).astype(np.uint8)


def line(length: int, upright: bool) -> bytes:
    """A picture one pixel wide or high, and of one colour in its middle."""
    pixels = np.random.default_rng(0).integers(0, 256, (length, 1, 3), dtype=np.uint8)
    pixels[length // 2 - 50 : length // 2 + 50] = (30, 60, 90)
    return encoded(pixels if upright else pixels.swapaxes(0, 1).copy())


@cache
def odd() -> dict[str, tuple[bytes, np.ndarray, int]]:
    """Name → a file, what a model of 16 x 16 pixels must see, and how far off that may be."""
    art = large(ART)
    larger = large(ART, 16)
    blue = plain(30, 60, 90)
    found: dict[str, tuple[bytes, np.ndarray, int]] = {
        "png": (encoded(art), ART, EXACT),
        "bmp": (encoded(art, "BMP"), ART, EXACT),
        "webp, lossless": (encoded(art, "WEBP", lossless=True), ART, EXACT),
        "gif": (encoded(palette(), "GIF"), ART, EXACT),
        "jpeg": (encoded(larger, "JPEG", **FINE), ART, LOSSY),
        "png, palette": (encoded(palette()), ART, EXACT),
        "gif, animated": (animated("GIF"), ART, EXACT),
        "webp, animated": (animated("WEBP", lossless=True), ART, EXACT),
        "png, animated": (animated("PNG"), ART, EXACT),
        "mpo": (animated("MPO", **FINE), ART, LOSSY),
        "png, grey": (encoded(art[..., 0]), grey(ART), EXACT),
        "png, 16 bits": (sixteen_bits(), grey(ART), EXACT),
        "png, 16 bits, one level clear": (*sixteen_bits_with_a_clear_level(), EXACT),
        "png, 1 bit": (*one_bit(), EXACT),
        "png, rgba": (*transparent("RGBA"), 1),
        "png, grey and alpha": (*transparent("LA"), 1),
        "webp, all clear": (clear(), plain(255, 255, 255), EXACT),
        "png, clear palette": (*transparent_palette(), EXACT),
        "jpeg, cmyk": (*cmyk(), LOSSY),
        "png, 1 x 1": (encoded(plain(1, 2, 3)[:1, :1]), plain(1, 2, 3), EXACT),
        "png, 1 x 10000": (line(10_000, True), blue, EXACT),
        "png, 10001 x 1": (line(10_001, False), blue, EXACT),
        "png, 4096 x 4096": (encoded(large(ART, 256), compress_level=1), ART, EXACT),
        "jpeg, 4800 x 4800": (encoded(large(ART, 300), "JPEG", quality=90), ART, LOSSY),
        "jpeg, progressive": (encoded(larger, "JPEG", progressive=True, **FINE), ART, LOSSY),
        "png and a zip": (encoded(art) + b"PK\x03\x04" + bytes(30), ART, EXACT),
        "png and a script": (with_text(SCRIPT.decode()) + SCRIPT, ART, EXACT),
        "gif and a script": (encoded(palette(), "GIF", comment=b"*/=1;alert(1)//"), ART, EXACT),
        "png called jpeg": (encoded(art), ART, EXACT),
    }
    for way in range(1, 9):
        found[f"jpeg, orientation {way}"] = (turned(way, "JPEG", **FINE), ART, LOSSY)
        found[f"png, orientation {way}"] = (turned(way, "PNG"), ART, EXACT)
    return found


def jpeg_of_many_scans() -> bytes:
    """A progressive JPEG whose last scan comes again 5,000 times: 300 kB that take minutes."""
    data = encoded(Image.new("L", (6000, 4000), 128), "JPEG", progressive=True)
    last_scan = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + last_scan * 5000 + b"\xff\xd9"


def broken_checksum(kind: bytes) -> bytes:
    data = bytearray(with_text("x"))
    at = data.find(kind)
    length = int.from_bytes(data[at - 4 : at], "big")
    data[at + 4 + length] ^= 1
    return bytes(data)


def canvas(width: int, height: int) -> bytes:
    """An animated WebP of one small frame on a canvas of any size."""

    def three_bytes(number: int) -> bytes:
        return (number - 1).to_bytes(3, "little")

    def part(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("<I", len(body)) + body

    frame = encoded(plain(1, 2, 3), "WEBP")[12:]
    parts = [
        part(b"VP8X", b"\2\0\0\0" + three_bytes(width) + three_bytes(height)),
        part(b"ANIM", bytes(6)),
        part(b"ANMF", bytes(6) + 2 * three_bytes(SIDE) + bytes(4) + frame),
    ]
    return part(b"RIFF", b"WEBP" + b"".join(parts))


def bmp_head(width: int, height: int) -> bytes:
    numbers = (200, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", *numbers) + bytes(146)


def no_pictures() -> dict[str, bytes]:
    return {
        "one byte": b"\x89",
        "zeros": bytes(5000),
        "text": b"hello\n" * 50,
        "json": b'{"a": 1}',
        "html": b"<!doctype html>" + SCRIPT,
        "zip": b"PK\x03\x04" + bytes(100),
    }


def unsupported() -> dict[str, tuple[bytes, str]]:
    art = large(ART)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    return {
        "svg": (b'<?xml version="1.0"?>\n' + svg, "SVG"),
        "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "HEIC"),
        "avif": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(200), "AVIF"),
        "tiff": (encoded(art, "TIFF"), "TIFF"),
        "eps": (encoded(art, "EPS"), "PostScript"),
        "pdf": (encoded(art, "PDF"), "PDF"),
        "icon": (encoded(art, "ICO"), "icon"),
        "photoshop": (b"8BPS\0\1" + bytes(100), "Photoshop"),
    }


def bombs() -> dict[str, tuple[bytes, str]]:
    """Small files of very many pixels."""
    gif = b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + encoded(large(ART), "GIF")[10:]
    return {
        "bomb by its header, png": (png((60_000, 60_000), 8, 2, bytes(100)), "at most"),
        "bomb by its header, bmp": (bmp_head(30_000, 30_000), "at most"),
        "bomb by its header, gif": (gif, "at most"),
        "bomb by its header, webp": (canvas(16_383, 16_383), "at most"),
        "bomb by its header, webp, one side": (canvas(2**24, 255), "at most"),
        "bomb, 20000 x 20000": (png((20_000, 20_000), 1, 0, bytes(2501 * 20_000)), "at most"),
        "bomb, 8000 x 8000": (png((8000, 8000), 1, 0, bytes(1001 * 8000)), "at most 24,000,000"),
        "bomb of one row": (png((700_000, 1), 8, 2, bytes(2_100_001)), "at most 30,000"),
        "bomb of scans": (jpeg_of_many_scans(), "scans"),
    }


def damaged() -> dict[str, bytes]:
    files = {kind: encoded(large(ART), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")}
    noise = encoded(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    giant = b"k\0\0" + zlib.compress(bytes(50_000_000), 9)
    found = {
        "png, giant text": with_chunk(b"zTXt", giant),
        "png, giant profile": with_chunk(b"iCCP", giant),
        "png, broken checksum of the head": broken_checksum(b"IHDR"),
        "png, broken checksum of a text": broken_checksum(b"tEXt"),
        "png, no pixels": files["PNG"][:33] + chunk(b"IEND", b""),
        "png, 0 x 0": png((0, 0), 8, 2, b""),
        "png head, jpeg body": files["PNG"][:8] + files["JPEG"],
        "jpeg head, png body": files["JPEG"][:20] + files["PNG"],
        "png, cut in its head": noise[:20],
        "png, cut in its pixels": noise[: len(noise) // 2],
    }
    for kind in ("JPEG", "GIF", "WEBP", "BMP"):
        found[f"{kind.lower()}, cut in the middle"] = files[kind][: len(files[kind]) // 2]
        found[f"{kind.lower()}, cut in its head"] = files[kind][:11]
    return found


@cache
def wrong() -> dict[str, tuple[bytes, str]]:
    """Name → a file, and a word of the message that refuses it."""
    unreadable = {**no_pictures(), **damaged()}
    found = {name: (data, "readable picture") for name, data in unreadable.items()}
    return {"empty": (b"", "empty"), **found, **unsupported(), **bombs()}
