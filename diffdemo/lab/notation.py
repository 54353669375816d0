"""The written forms of seeds, levels and pictures: "0-15", "0:1000:50", "face:0-15", "png:…"."""

import base64
import itertools
import re
from collections.abc import Iterable, Sequence

from diffdemo.errors import ExperimentError

MAX_SEEDS = 64
MAX_LEVELS = 64
MAX_PICTURES = 1000  # in one command


def picture_from_png(data: bytes) -> str:
    """Write a small PNG file in the `png:` form; `png_from_picture` is the way back."""
    return "png:" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def png_from_picture(picture: str) -> bytes:
    """Return the PNG file inside a `png:` picture.

    Raises:
        ExperimentError: the text is not base64url.
    """
    text = picture.removeprefix("png:")
    padding = "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text + padding, altchars=b"-_", validate=True)
    except ValueError as error:
        damaged = "The picture inside the link is damaged: it is not base64url."
        raise ExperimentError(damaged) from error


def parse_pictures(text: str) -> tuple[str, ...]:
    """Read names of pictures from a text like "face:900000-900015" or "digit:3,digit:7".

    The names themselves are not checked.

    Raises:
        ExperimentError: a range runs backwards, or there are more than MAX_PICTURES names.
    """
    names: list[str] = []
    for part in text.split(","):
        found = re.fullmatch(r"(face|digit):([0-9]{1,10})-([0-9]{1,10})", part.strip(), re.ASCII)
        if not found:
            names.append(part.strip())
        else:
            indices = range(int(found[2]), int(found[3]) + 1)
            if not indices or len(names) + len(indices) > MAX_PICTURES:
                raise _bad_pictures(part)
            names += [f"{found[1]}:{index}" for index in indices]
        if len(names) > MAX_PICTURES:
            raise _bad_pictures(part)
    return tuple(names)


def _bad_pictures(part: str) -> ExperimentError:
    form = f"face:0-15 or digit:3,digit:7, at most {MAX_PICTURES}"
    return ExperimentError(f"Pictures are written like {form}, not {part[:40]!r}.")


def format_pictures(pictures: Sequence[str]) -> str:
    """Write pictures with runs joined: ("face:0", "face:1", "digit:7") → "face:0-1,digit:7"."""
    runs: list[list[str]] = []
    for name in pictures:
        kind, _, index = name.partition(":")
        follows = kind in ("face", "digit") and runs and runs[-1][-1] == f"{kind}:{int(index) - 1}"
        if follows:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ",".join(
        run[0] if len(run) == 1 else f"{run[0]}-{run[-1].partition(':')[2]}" for run in runs
    )


def parse_levels(text: str) -> tuple[int, ...]:
    """Read levels from "0:1000:50" (first, last, distance) or "0,100,250".

    Raises:
        ExperimentError: not of that form, or more levels than an experiment takes.
    """
    spaced = re.fullmatch(r"([0-9]{1,4}):([0-9]{1,4}):([1-9][0-9]{0,3})", text.strip(), re.ASCII)
    listed = text.replace(" ", "")
    levels: Sequence[int]
    if spaced:
        levels = range(int(spaced[1]), int(spaced[2]) + 1, int(spaced[3]))
    elif re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", listed, re.ASCII):
        levels = [int(part) for part in listed.split(",")]
    else:
        raise ExperimentError(f"Levels are written like 0:1000:50 or 0,100,250, not {text[:40]!r}.")
    if len(levels) > MAX_LEVELS:
        named = f"{text[:40]!r} names {len(levels)}"
        raise ExperimentError(f"At most {MAX_LEVELS} levels are taken; {named}.")
    return tuple(levels)


def format_levels(levels: Sequence[int]) -> str:
    """Write levels: (0, 50, 100) → "0:100:50", unevenly spaced ones with commas."""
    distances = {after - before for before, after in itertools.pairwise(levels)}
    if len(levels) > 2 and len(distances) == 1:
        return f"{levels[0]}:{levels[-1]}:{distances.pop()}"
    return ",".join(str(level) for level in levels)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read seeds from "0-15", "0,3,7" or a mixture; the order is kept.

    Raises:
        ExperimentError: not of that form, a range that runs backwards, or too many seeds.
    """
    seeds: list[int] = []
    for part in text.replace(" ", "").split(","):
        found = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", part, re.ASCII)
        numbers = range(int(found[1]), int(found[2] or found[1]) + 1) if found else range(0)
        if not numbers:
            raise ExperimentError(f"Seeds are written like 0-15 or 0,3,7, not {text[:40]!r}.")
        if len(seeds) + len(numbers) > MAX_SEEDS:  # checked before a range of a billion is listed
            named = f"{text[:40]!r} names more"
            raise ExperimentError(f"At most {MAX_SEEDS} seeds are taken; {named}.")
        seeds += numbers
    return tuple(seeds)


def format_seeds(seeds: Iterable[int]) -> str:
    """Write seeds with runs joined: (0, 1, 2, 7) → "0-2,7"."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
