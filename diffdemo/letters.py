"""The one font that pictures of ours are lettered with: the one inside Pillow, the same on every machine."""

import unicodedata
from functools import cache, lru_cache

from PIL import ImageFont

from diffdemo.errors import DiffdemoError

_LARGE = 45  # at which a missing letter is told from a drawn one


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font at a size in pixels; it has ASCII letters and some signs, no Greek."""
    return ImageFont.load_default(size)  # type: ignore[return-value]  # with a size it is a FreeType font or an error


@lru_cache(8192)
def length(text: str, size: int) -> float:
    """How wide a line of text is, in pixels."""
    return font(size).getlength(text)


def check_letters(text: str) -> None:
    """Refuse a text that the font cannot write.

    Raises:
        DiffdemoError: the font lacks one of its letters.
    """
    for letter in dict.fromkeys(text):
        if not (letter.isspace() or _has(letter)):
            raise DiffdemoError(f"The chart's font has no {letter!r}, which {text!r} needs; please spell it out.")


def spelled(text: str) -> str:
    """A text as the font can write it: letters without the accents it lacks, and a question mark for the rest."""
    return "".join(letter if letter.isspace() or _has(letter) else _plain(letter) for letter in text)


def _plain(letter: str) -> str:
    base = unicodedata.normalize("NFKD", letter)[:1]
    return base if base.isascii() and base.isalpha() else "?"


@cache
def _has(letter: str) -> bool:
    return bytes(font(_LARGE).getmask(letter)) != bytes(font(_LARGE).getmask("\uffff"))


def wrapped(text: str, size: int, width: float) -> list[str]:
    """A text broken between words into lines of at most `width` pixels; a longer word keeps a line of its own."""
    lines: list[str] = []
    for word in text.split():
        if lines and length(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def shortened(text: str, size: int, width: float) -> str:
    """The text, or as much of its beginning as fits into `width` pixels with three dots; nothing where not one letter fits."""
    if length(text, size) <= width:
        return text
    for end in range(len(text) - 1, 0, -1):
        if length(short := text[:end].rstrip(" ,") + "…", size) <= width:
            return short
    return ""
