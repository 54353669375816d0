"""The fields that several experiments share.

A dataclass declares its fields with these: `n: int = fields.N.field()`. The page, the command line,
the API and the links read label, bounds and help from the dataclass (see `field.fields_of`).
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from diffdemo.diffusion.terms import (
    MAX_GUIDANCE,
    MAX_PROMPT,
    MAX_STEPS,
    SEED_END,
    SOLVERS,
    SPACINGS,
)
from diffdemo.errors import ExperimentError
from diffdemo.lab.field import Field, check_real, real, refused, whole, word, write_number
from diffdemo.lab.notation import (
    MAX_LEVELS,
    MAX_PICTURES,
    MAX_SEEDS,
    format_levels,
    format_pictures,
    format_seeds,
    parse_levels,
    parse_pictures,
    parse_seeds,
)

MAX_N = 1000
MAX_DIGIT = 9999  # the digits are the 10,000 of the MNIST test set
MAX_PNG = 1600  # characters of a picture inside a link


def by_hash(picture: str) -> bool:
    """Whether a picture is named by its hash only, so that somebody has to supply it."""
    return picture.startswith("sha256:")


def _write_guidance(value: float) -> str:
    """Write nothing where guidance is off, so that links of models without it never change."""
    return "" if value == 1 else write_number(value)


def _model(field: Field, value: object) -> str:
    pattern = r"\w[\w.-]*(/\w[\w.-]*)?"
    if not isinstance(value, str) or len(value) > 100 or not re.fullmatch(pattern, value, re.ASCII):
        raise refused(field, value)
    return value


def _revision(field: Field, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"([0-9a-f]{12})?", value, re.ASCII):
        raise refused(field, value)
    return value


def _prompt(field: Field, value: object) -> str:
    """Accept one line of text: no control characters, no line separators, no lone surrogates."""
    if not isinstance(value, str) or len(value) > field.maximum:
        raise refused(field, value)
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in value):
        raise refused(field, value)
    return value


def check_picture(field: Field, value: object) -> str:
    """Accept the name of a picture."""
    if not isinstance(value, str):
        raise refused(field, value)
    if re.fullmatch(r"png:[A-Za-z0-9_-]+", value, re.ASCII):
        if len(value) > MAX_PNG:
            length = f"The picture inside the link has {len(value)} characters"
            raise ExperimentError(f"{length}; at most {MAX_PNG} are taken.")
        return value
    if re.fullmatch(r"sha256:[0-9a-f]{64}", value, re.ASCII):
        return value
    named = re.fullmatch(r"(face|digit):(0|[1-9][0-9]{0,9})", value, re.ASCII)
    if not named or int(named[2]) > (SEED_END - 1 if named[1] == "face" else MAX_DIGIT):
        raise refused(field, value)
    return value


def _other(field: Field, value: object) -> str:
    """Accept nothing, or a picture that a link can hold."""
    if not isinstance(value, str) or (value and by_hash(check_picture(field, value))):
        raise refused(field, value)
    return value


def _pictures(field: Field, value: object) -> tuple[str, ...]:
    """Accept different pictures that can be drawn from their names alone."""
    if not isinstance(value, str | Sequence):
        raise refused(field, value)
    names = parse_pictures(value) if isinstance(value, str) else tuple(value)
    if not field.minimum <= len(names) <= field.maximum:
        raise refused(field, value)
    pictures = tuple(PICTURE.accept(name) for name in names)
    if any(by_hash(picture) for picture in pictures) or len(set(pictures)) < len(pictures):
        raise refused(field, value)
    return pictures


def _numbers(field: Field, value: object, end: int) -> tuple[int, ...]:
    """Accept between minimum and maximum different whole numbers from 0 to end - 1."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise refused(field, value)
    numbers = tuple(value)
    if not field.minimum <= len(numbers) <= field.maximum:
        raise ExperimentError(f"{field.label}: {field.help}; got {len(numbers)}.")
    in_bounds = all(type(number) is int and 0 <= number < end for number in numbers)
    if not in_bounds or len(set(numbers)) < len(numbers):
        raise refused(field, numbers)
    return numbers


def _seeds(field: Field, value: object) -> tuple[int, ...]:
    return _numbers(field, parse_seeds(value) if isinstance(value, str) else value, SEED_END)


def _levels(field: Field, value: object) -> tuple[int, ...]:
    levels = _numbers(field, parse_levels(value) if isinstance(value, str) else value, MAX_N + 1)
    if list(levels) != sorted(levels):
        raise refused(field, levels)
    return levels


MODEL = Field(
    "Model",
    "the name of a model: letters, digits, dots and dashes, at most one slash, "
    "at most 100 characters",
    _model,
    "faces",
)
PICTURE = Field(
    "Picture",
    f"face:SEED, digit:INDEX up to {MAX_DIGIT}, png: with a small picture in base64url, "
    "or sha256: of a larger one",
    check_picture,
    "face:17",
)
OTHER = Field(
    "Second picture",
    f"face:SEED, digit:INDEX up to {MAX_DIGIT}, or png: with a small picture in base64url",
    _other,
    "face:4",
)
PICTURES = Field(
    "Pictures",
    f"1 to {MAX_PICTURES} different pictures, as face:0-15 or digit:3,digit:7, "
    "none of them sha256:",
    _pictures,
    tuple(f"face:{seed}" for seed in range(900_000, 900_016)),
    1,
    MAX_PICTURES,
    write=format_pictures,
)
REVISION = Field(
    "Weights revision", "12 hex digits, or nothing for the weights at hand", _revision, ""
)
PROMPT = Field(
    "Prompt",
    f"one line of at most {MAX_PROMPT} characters, or nothing",
    _prompt,
    "",
    maximum=MAX_PROMPT,
)
GUIDANCE = Field(
    "Guidance",
    f"a number from 1 (off) to {MAX_GUIDANCE}",
    check_real,
    1.0,
    1,
    MAX_GUIDANCE,
    write=_write_guidance,
)
N = whole(
    "Noise steps n",
    "a whole number of steps from 0 (untouched) to 1000 (all)",
    minimum=0,
    maximum=MAX_N,
    default=250,
)
SEED = whole(
    "Seed",
    f"a whole number from 0 to {SEED_END - 1}",
    minimum=0,
    maximum=SEED_END - 1,
    default=0,
)
SEEDS = Field(
    "Seeds",
    f"1 to {MAX_SEEDS} different whole numbers up to {SEED_END - 1}, as 0-15 or 0,3,7",
    _seeds,
    tuple(range(16)),
    1,
    MAX_SEEDS,
    write=format_seeds,
)
LEVELS = Field(
    "Levels of n",
    f"1 to {MAX_LEVELS} rising numbers of noise steps from 0 to 1000, as 0:1000:50 or 0,100,250",
    _levels,
    tuple(range(0, 1001, 50)),
    1,
    MAX_LEVELS,
    write=format_levels,
)
STEPS = whole(
    "Denoising steps",
    f"a whole number of network calls from 1 to {MAX_STEPS}",
    minimum=1,
    maximum=MAX_STEPS,
    default=20,
)
ETA = real(
    "eta",
    "a number from 0 (deterministic) to 1 (ancestral, fresh noise in every step)",
    minimum=0,
    maximum=1,
    default=0.0,
)
SOLVER = word("Solver", f"one of {', '.join(SOLVERS)}", SOLVERS, default="ddim")
SPACING = word("Step spacing", f"one of {', '.join(SPACINGS)}", SPACINGS, default="trailing")
