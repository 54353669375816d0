"""The one font of our pictures: the one inside Pillow, the same on every machine."""

import unicodedata
from functools import cache, lru_cache

from PIL import ImageFont

from diffdemo.errors import DiffdemoError

LARGE = 45  # size at which a missing letter is told from a drawn one


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font at a size in pixels; it has ASCII letters and some signs, no Greek."""
    return ImageFont.load_default(size)  # type: ignore[return-value]


@lru_cache(8192)
def length(text: str, size: int) -> float:
    """Return how wide a line of text is, in pixels."""
    return font(size).getlength(text)


def check_letters(text: str) -> None:
    """Refuse a text that the font cannot write.

    Raises:
        DiffdemoError: the font lacks one of its letters.
    """
    for letter in dict.fromkeys(text):
        if not _writable(letter):
            lacks = f"The chart's font has no {letter!r}, which {text!r} needs"
            raise DiffdemoError(f"{lacks}; please spell it out.")


def spelled(text: str) -> str:
    """Return a text as the font can write it: without accents it lacks, ? for the rest."""
    return "".join(letter if _writable(letter) else _plain(letter) for letter in text)


def _plain(letter: str) -> str:
    base = unicodedata.normalize("NFKD", letter)[:1]
    return base if base.isascii() and base.isalpha() else "?"


@cache
def _writable(letter: str) -> bool:
    if letter.isspace():
        return True
    missing = bytes(font(LARGE).getmask("\uffff"))
    return bytes(font(LARGE).getmask(letter)) != missing


def wrapped(text: str, size: int, width: float) -> list[str]:
    """Break a text between words into lines of at most `width` pixels.

    A longer word has a line of its own.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and length(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def shortened(text: str, size: int, width: float) -> str:
    """Return the text, or as much of its beginning as fits with three dots; "" for nothing."""
    if length(text, size) <= width:
        return text
    for end in range(len(text) - 1, 0, -1):
        short = text[:end].rstrip(" ,") + "…"
        if length(short, size) <= width:
            return short
    return ""
