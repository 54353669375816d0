"""The one table of the experiments' fields: what each is called, its bounds, how any value is checked and how it is written in a link."""

import dataclasses
import itertools
import math
import re
import reprlib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from diffdemo.errors import ExperimentError
from diffdemo.terms import CODES, DIGITS, MAX_STEPS, SEED_END, SOLVERS, SPACINGS, STARTS

MAX_PNG = 1600  # characters of a picture inside a link
MAX_SEEDS = 64
MAX_N = 1000
MAX_LEVELS = 64
MAX_POINTS = 32
MAX_FUTURES = 32
MAX_JUMP = 20
MAX_CANDIDATES = 16
MAX_PICTURES = 1000  # of a command at once
MAX_LINE_UP = 6000  # characters of a line-up's pictures in a link
MAX_PROMPT = 300  # characters
MAX_GUIDANCE = 20
_SHORT = reprlib.Repr()
_SHORT.maxstring, _SHORT.maxlong, _SHORT.maxother = 80, 80, 80


@dataclass(frozen=True)
class Field:
    """One field of the experiments.

    Attributes:
        label: what the page calls it.
        help: one line with the unit and the bounds.
        check: any value → the value an experiment holds; raises ExperimentError.
        default: what the page starts with.
        minimum, maximum: bounds of numbers and of lengths.
        choices: the words allowed.
        write: the value → its text in a link.
    """

    label: str
    help: str
    check: Callable[["Field", Any], Any]
    default: Any
    minimum: float = 0
    maximum: float = 0
    choices: tuple[str, ...] = ()
    write: Callable[[Any], str] = str

    def accept(self, value: Any) -> Any:
        """The value as an experiment holds it.

        Raises:
            ExperimentError: it is of the wrong kind or out of bounds.
        """
        return self.check(self, value)


def accept_all(holder: Any) -> None:
    """Put every field of a frozen dataclass whose field names stand in FIELDS into the form that it holds.

    Raises:
        ExperimentError: one is of the wrong kind or out of bounds.
    """
    for item in dataclasses.fields(holder):
        object.__setattr__(holder, item.name, FIELDS[item.name].accept(getattr(holder, item.name)))


def by_hash(picture: str) -> bool:
    """A picture is named by its hash only, so that somebody has to bring it."""
    return picture.startswith("sha256:")


def _refuse(field: Field, value: Any) -> ExperimentError:
    return ExperimentError(f"{field.label} cannot be {_shown(value)}: {field.help}.")


def _shown(value: Any) -> str:
    """The value in at most 41 characters, whatever it is and however large."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number that long"
    return text if len(text) <= 40 else f"{text[:40]}…"


def _whole(field: Field, value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value, re.ASCII):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not field.minimum <= value <= field.maximum:
        raise _refuse(field, value)
    return value


def _real(field: Field, value: Any) -> float:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,20})?(e-?[0-9]{1,3})?", value, re.ASCII):
        value = float(value)
    if type(value) not in (int, float) or not math.isfinite(value) or not field.minimum <= value <= field.maximum:
        raise _refuse(field, value)
    return float(value) + 0.0  # never -0.0, which is written as -0


def _short(value: float) -> str:
    """The shortest text that is read back as the same number."""
    return f"{value:g}" if float(f"{value:g}") == value else str(value)


def _word(field: Field, value: Any) -> str:
    if not isinstance(value, str) or value not in field.choices:
        raise _refuse(field, value)
    return value


def _name(field: Field, value: Any) -> str:
    if not isinstance(value, str) or len(value) > 100 or not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", value, re.ASCII):
        raise _refuse(field, value)
    return value


def _prompt(field: Field, value: Any) -> str:
    """Text of one line: no control characters, no line separators, nothing that cannot be written in a link."""
    unwanted = ("Cc", "Cs", "Zl", "Zp")
    if not isinstance(value, str) or len(value) > field.maximum or any(unicodedata.category(c) in unwanted for c in value):
        raise _refuse(field, value)
    return value


def _guided(value: float) -> str:
    """Nothing where guidance is off, so that links of models without it never change."""
    return "" if value == 1 else _short(value)


def _revision(field: Field, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"([0-9a-f]{12})?", value, re.ASCII):
        raise _refuse(field, value)
    return value


def _picture(field: Field, value: Any) -> str:
    named = isinstance(value, str) and re.fullmatch(r"(face|digit):(0|[1-9][0-9]{0,9})", value, re.ASCII)
    inside = isinstance(value, str) and re.fullmatch(r"png:[A-Za-z0-9_-]+", value, re.ASCII)
    if inside and len(value) > MAX_PNG:
        raise ExperimentError(f"The picture inside the link has {len(value)} characters; at most {MAX_PNG} are taken.")
    hashed = isinstance(value, str) and re.fullmatch(r"sha256:[0-9a-f]{64}", value, re.ASCII)
    if not (inside or hashed or (named and int(named[2]) < (SEED_END if named[1] == "face" else DIGITS))):
        raise _refuse(field, value)
    return value


def _line_up(field: Field, value: Any) -> str:
    """Nothing for the model's own line-up, else pictures joined by commas, each checked as a picture."""
    if not isinstance(value, str) or len(value) > MAX_LINE_UP:
        raise _refuse(field, value)
    pictures = value.split(",") if value else []
    if len(pictures) > field.maximum or any(by_hash(_picture(field, picture)) for picture in pictures):
        raise _refuse(field, value)
    return value


def _other(field: Field, value: Any) -> str:
    """Nothing, or a picture that a link can hold."""
    if not isinstance(value, str) or (value and by_hash(_picture(field, value))):
        raise _refuse(field, value)
    return value


def _words(field: Field, value: Any) -> tuple[str, ...]:
    """Some of the choices, each once, in their own order."""
    words = value.split(",") if isinstance(value, str) else list(value) if isinstance(value, Sequence) else []
    if not words or any(not isinstance(word, str) or word not in field.choices for word in words) or len(set(words)) < len(words):
        raise _refuse(field, value)
    return tuple(word for word in field.choices if word in words)


def _numbers(field: Field, value: Any, end: int) -> tuple[int, ...]:
    """Between minimum and maximum different whole numbers from 0 to end - 1."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise _refuse(field, value)
    numbers = tuple(value)
    if not field.minimum <= len(numbers) <= field.maximum:
        raise ExperimentError(f"{field.label}: {field.help}; got {len(numbers)}.")
    if any(type(number) is not int or not 0 <= number < end for number in numbers) or len(set(numbers)) < len(numbers):
        raise _refuse(field, numbers)
    return numbers


def _seeds(field: Field, value: Any) -> tuple[int, ...]:
    return _numbers(field, parse_seeds(value) if isinstance(value, str) else value, SEED_END)


def _levels(field: Field, value: Any) -> tuple[int, ...]:
    levels = _numbers(field, parse_levels(value) if isinstance(value, str) else value, MAX_N + 1)
    if list(levels) != sorted(levels):
        raise _refuse(field, levels)
    return levels


def _pictures(field: Field, value: Any) -> tuple[str, ...]:
    """Different pictures that can be drawn from their names alone."""
    if not isinstance(value, str | Sequence):
        raise _refuse(field, value)
    pictures = parse_pictures(value) if isinstance(value, str) else tuple(value)
    if not field.minimum <= len(pictures) <= field.maximum or any(by_hash(FIELDS["picture"].accept(picture)) for picture in pictures):
        raise _refuse(field, value)
    if len(set(pictures)) < len(pictures):
        raise _refuse(field, value)
    return pictures


def parse_pictures(text: str) -> tuple[str, ...]:
    """Names of pictures from their written form, as "face:900000-900015" or "digit:3,digit:7".

    Raises:
        ExperimentError: not of that form, or more than MAX_PICTURES.
    """
    names: list[str] = []
    for part in text.split(","):
        found = re.fullmatch(r"(face|digit):([0-9]{1,10})-([0-9]{1,10})", part.strip(), re.ASCII)
        first, last = (int(found[2]), int(found[3])) if found else (0, 0)
        if first > last or len(names) + last - first >= MAX_PICTURES:
            raise ExperimentError(f"Pictures are written like face:0-15 or digit:3,digit:7, at most {MAX_PICTURES}, not {part[:40]!r}.")
        names += [f"{found[1]}:{index}" for index in range(first, last + 1)] if found else [part.strip()]
    return tuple(FIELDS["picture"].accept(name) for name in names)


def format_pictures(pictures: Sequence[str]) -> str:
    """The written form of pictures, runs joined: ("face:0", "face:1", "digit:7") → "face:0-1,digit:7"."""
    runs: list[list[str]] = []
    for name in pictures:
        kind, _, index = name.partition(":")
        if runs and kind in ("face", "digit") and runs[-1][-1] == f"{kind}:{int(index) - 1}":
            runs[-1].append(name)
        else:
            runs.append([name])
    return ",".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1].partition(':')[2]}" for run in runs)


def parse_levels(text: str) -> tuple[int, ...]:
    """Levels from their written form: "0:1000:50" (first, last, distance) or "0,100,250".

    Raises:
        ExperimentError: not of that form, or more levels than an experiment takes.
    """
    if found := re.fullmatch(r"([0-9]{1,4}):([0-9]{1,4}):([1-9][0-9]{0,3})", text.strip(), re.ASCII):
        levels: Sequence[int] = range(int(found[1]), int(found[2]) + 1, int(found[3]))
    elif re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", text.replace(" ", ""), re.ASCII):
        levels = [int(part) for part in text.replace(" ", "").split(",")]
    else:
        raise ExperimentError(f"Levels are written like 0:1000:50 or 0,100,250, not {text[:40]!r}.")
    if len(levels) > MAX_LEVELS:
        raise ExperimentError(f"At most {MAX_LEVELS} levels are taken; {text[:40]!r} names {len(levels)}.")
    return tuple(levels)


def format_levels(levels: Sequence[int]) -> str:
    """The written form of levels: (0, 50, 100) → "0:100:50", others with commas."""
    distances = {after - before for before, after in itertools.pairwise(levels)}
    if len(levels) > 2 and len(distances) == 1:
        return f"{levels[0]}:{levels[-1]}:{distances.pop()}"
    return ",".join(str(level) for level in levels)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from their written form: "0-15", "0,3,7" or a mixture; the order is kept.

    Raises:
        ExperimentError: not of that form, a range that runs backwards, or more seeds than an experiment takes.
    """
    seeds: list[int] = []
    for part in text.replace(" ", "").split(","):
        found = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", part, re.ASCII)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last:
            raise ExperimentError(f"Seeds are written like 0-15 or 0,3,7, not {text[:40]!r}.")
        if len(seeds) + last - first + 1 > MAX_SEEDS:  # before a range of a billion is laid out
            raise ExperimentError(f"At most {MAX_SEEDS} seeds are taken; {text[:40]!r} names more.")
        seeds += range(first, last + 1)
    return tuple(seeds)


def format_seeds(seeds: Iterable[int]) -> str:
    """The written form of seeds, runs joined: (0, 1, 2, 7) → "0-2,7"."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


FIELDS: dict[str, Field] = {
    "model": Field("Model", "the name of a model: letters, digits, dots and dashes, at most one slash, at most 100 characters", _name, "faces"),
    "picture": Field(
        "Picture", "face:SEED, digit:INDEX up to 9999, png: with a small picture in base64url, or sha256: of a larger one", _picture, "face:17"
    ),
    "pictures": Field(
        "Pictures",
        f"1 to {MAX_PICTURES} different pictures, as face:0-15 or digit:3,digit:7, none of them sha256:",
        _pictures,
        tuple(f"face:{seed}" for seed in range(900_000, 900_016)),
        1,
        MAX_PICTURES,
        write=format_pictures,
    ),
    "revision": Field("Weights revision", "12 hex digits, or nothing for the weights at hand", _revision, ""),
    "n": Field("Noise steps n", "a whole number of steps from 0 (untouched) to 1000 (all)", _whole, 250, 0, MAX_N),
    "seeds": Field(
        "Seeds",
        f"1 to {MAX_SEEDS} different whole numbers up to {SEED_END - 1}, as 0-15 or 0,3,7",
        _seeds,
        tuple(range(16)),
        1,
        MAX_SEEDS,
        write=format_seeds,
    ),
    "seed": Field("Seed", f"a whole number from 0 to {SEED_END - 1}", _whole, 0, 0, SEED_END - 1),
    "levels": Field(
        "Levels of n",
        f"1 to {MAX_LEVELS} rising numbers of noise steps from 0 to 1000, as 0:1000:50 or 0,100,250",
        _levels,
        tuple(range(0, 1001, 50)),
        1,
        MAX_LEVELS,
        write=format_levels,
    ),
    "line_up": Field("Line-up", f"nothing for the model's own, or up to {MAX_CANDIDATES} pictures joined by commas", _line_up, "", 0, MAX_CANDIDATES),
    "steps": Field("Denoising steps", f"a whole number of network calls from 1 to {MAX_STEPS}", _whole, 20, 1, MAX_STEPS),
    "eta": Field("eta", "a number from 0 (deterministic) to 1 (ancestral, fresh noise in every step)", _real, 0.0, 0, 1, write=_short),
    "solver": Field("Solver", f"one of {', '.join(SOLVERS)}", _word, "ddim", choices=SOLVERS),
    "spacing": Field("Step spacing", f"one of {', '.join(SPACINGS)}", _word, "trailing", choices=SPACINGS),
    "methods": Field("Codes", f"some of {', '.join(CODES)}, joined by commas", _words, CODES, choices=CODES, write=",".join),
    "warm": Field("Warm start", "the share, 0 to 1, of an inversion's lowest steps that one jump of noise replaces", _real, 0.0, 0, 1, write=_short),
    "other": Field("Second picture", "face:SEED, digit:INDEX up to 9999, or png: with a small picture in base64url", _other, "face:4"),
    "points": Field("Branching points", f"a whole number of points along the path from 1 to {MAX_POINTS}", _whole, 8, 1, MAX_POINTS),
    "futures": Field("Futures", f"a whole number of futures from each point, from 2 to {MAX_FUTURES}", _whole, 6, 2, MAX_FUTURES),
    "jump": Field("Jump back", f"a whole number of steps, 0 (never) to {MAX_JUMP}, that the path climbs back each time", _whole, 0, 0, MAX_JUMP),
    "start": Field("Start", "picture (n steps of noise on the picture) or noise (pure Gaussian noise alone)", _word, "picture", choices=STARTS),
    "prompt": Field("Prompt", f"one line of at most {MAX_PROMPT} characters, or nothing", _prompt, "", 0, MAX_PROMPT),
    "guidance": Field("Guidance", f"a number from 1 (off) to {MAX_GUIDANCE}", _real, 1.0, 1, MAX_GUIDANCE, write=_guided),
}
