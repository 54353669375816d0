"""Experiments as values: frozen dataclasses over one table of fields, written as a query string and read back, every value checked.

The page, the link, the command line and the cache speak these and nothing else. Syntax and fixed bounds are checked here;
what depends on a model (n <= T, which models and pictures there are) is checked by the lab before any work.
"""

import base64
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from diffdemo.errors import ExperimentError
from diffdemo.terms import MAX_STEPS, SEED_END, SOLVERS, SPACINGS, STARTS

VERSION = "1"
MAX_QUERY = 8000  # characters of a link's query
MAX_PNG = 1600  # characters of a picture inside a link
MAX_SEEDS = 64
MAX_N = 1000


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
    """

    label: str
    help: str
    check: Callable[["Field", Any], Any]
    default: Any
    minimum: float = 0
    maximum: float = 0
    choices: tuple[str, ...] = ()

    def accept(self, value: Any) -> Any:
        """The value as an experiment holds it.

        Raises:
            ExperimentError: it is of the wrong kind or out of bounds.
        """
        return self.check(self, value)


def _refuse(field: Field, value: Any) -> ExperimentError:
    shown = repr(value) if len(repr(value)) <= 40 else repr(value)[:40] + "…"
    return ExperimentError(f"{field.label} cannot be {shown}: {field.help}.")


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
    return float(value)


def _word(field: Field, value: Any) -> str:
    if not isinstance(value, str) or value not in field.choices:
        raise _refuse(field, value)
    return value


def _name(field: Field, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.-]{0,99}", value, re.ASCII):
        raise _refuse(field, value)
    return value


def _revision(field: Field, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"([0-9a-f]{12})?", value, re.ASCII):
        raise _refuse(field, value)
    return value


def _picture(field: Field, value: Any) -> str:
    named = isinstance(value, str) and re.fullmatch(r"face:(0|[1-9][0-9]{0,9})", value, re.ASCII)
    inside = isinstance(value, str) and re.fullmatch(r"png:[A-Za-z0-9_-]+", value, re.ASCII)
    if inside and len(value) > MAX_PNG:
        raise ExperimentError(f"The picture inside the link has {len(value)} characters; at most {MAX_PNG} are taken.")
    hashed = isinstance(value, str) and re.fullmatch(r"sha256:[0-9a-f]{64}", value, re.ASCII)
    if not (inside or hashed or (named and int(value[5:]) < SEED_END)):
        raise _refuse(field, value)
    return value


def _seeds(field: Field, value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        value = parse_seeds(value)
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise _refuse(field, value)
    seeds = tuple(value)
    if not field.minimum <= len(seeds) <= field.maximum:
        raise ExperimentError(f"{field.label}: {field.help}; got {len(seeds)}.")
    if any(type(seed) is not int or not 0 <= seed < SEED_END for seed in seeds) or len(set(seeds)) < len(seeds):
        raise _refuse(field, seeds)
    return seeds


FIELDS: dict[str, Field] = {
    "model": Field("Model", "the name of a model: letters, digits, dots and dashes, at most 100", _name, "faces"),
    "picture": Field("Picture", "face:SEED, png: with a small picture in base64url, or sha256: of a larger one", _picture, "face:17"),
    "revision": Field("Weights revision", "12 hex digits, or nothing for the weights at hand", _revision, ""),
    "n": Field("Noise steps n", "a whole number of steps from 0 (untouched) to 1000 (all)", _whole, 250, 0, MAX_N),
    "seeds": Field("Seeds", f"1 to {MAX_SEEDS} different whole numbers up to 2147483647, as 0-15 or 0,3,7", _seeds, tuple(range(16)), 1, MAX_SEEDS),
    "steps": Field("Denoising steps", f"a whole number of network calls from 1 to {MAX_STEPS}", _whole, 20, 1, MAX_STEPS),
    "eta": Field("eta", "a number from 0 (deterministic) to 1 (ancestral, fresh noise in every step)", _real, 0.0, 0, 1),
    "solver": Field("Solver", f"one of {', '.join(SOLVERS)}", _word, "ddim", choices=SOLVERS),
    "spacing": Field("Step spacing", f"one of {', '.join(SPACINGS)}", _word, "trailing", choices=SPACINGS),
    "start": Field("Start", "picture (n steps of noise on the picture) or noise (pure Gaussian noise alone)", _word, "picture", choices=STARTS),
}


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


def picture_from_png(data: bytes) -> str:
    """A small PNG file as the `png:` form of the picture field; `png_from_picture` is the way back."""
    return "png:" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def png_from_picture(picture: str) -> bytes:
    """The PNG file inside a `png:` picture.

    Raises:
        ExperimentError: the text is not base64url.
    """
    text = picture.removeprefix("png:")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise ExperimentError("The picture inside the link is damaged: it is not base64url.") from error


class Experiment:
    """What all experiments share; a subclass is a frozen dataclass whose field names stand in FIELDS."""

    kind: ClassVar[str]

    def __post_init__(self):
        for item in fields(self):
            object.__setattr__(self, item.name, FIELDS[item.name].accept(getattr(self, item.name)))

    def to_query(self) -> str:
        """The experiment as a query string, "v=1&kind=…&…", that `experiment_from_query` reads back."""
        values = {name: format_seeds(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        pairs = [(name, f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)) for name, value in values.items()]
        return urlencode([("v", VERSION), ("kind", self.kind), *((name, text) for name, text in pairs if text)], safe=":,/")


@dataclass(frozen=True)
class RoundTrip(Experiment):
    """There and back: one picture, many seeds, n steps of noise, and what each x_n leads back to.

    Raises:
        ExperimentError: a field is out of its bounds (see FIELDS), or eta > 0 is asked of a deterministic solver.
    """

    kind: ClassVar[str] = "round-trip"

    model: str = FIELDS["model"].default
    picture: str = FIELDS["picture"].default
    n: int = FIELDS["n"].default
    seeds: tuple[int, ...] = FIELDS["seeds"].default
    steps: int = FIELDS["steps"].default
    eta: float = FIELDS["eta"].default
    solver: str = FIELDS["solver"].default
    spacing: str = FIELDS["spacing"].default
    start: str = FIELDS["start"].default
    revision: str = FIELDS["revision"].default

    def __post_init__(self):
        super().__post_init__()
        if self.eta > 0 and self.solver != "ddim":
            raise ExperimentError(f"The solver {self.solver} is deterministic: it takes eta = 0, not {self.eta:g}.")


KINDS: dict[str, type[Experiment]] = {cls.kind: cls for cls in (RoundTrip,)}


def experiment_from_query(query: str) -> Experiment:
    """Read an experiment back from a link's query string; absent fields take their defaults, names that begin with "__" are the page's own.

    Raises:
        ExperimentError: too long, of another version, of an unknown kind, with an unknown or doubled field, or with a value out of bounds.
    """
    if not isinstance(query, str) or len(query) > MAX_QUERY:
        raise ExperimentError(f"A link holds at most {MAX_QUERY} characters after the question mark.")
    try:
        pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=50)
    except ValueError as error:
        raise ExperimentError("This link is damaged: it is not made of name=value pairs.") from error
    values = dict(pair for pair in pairs if not pair[0].startswith("__"))
    if len(values) < sum(not name.startswith("__") for name, _ in pairs):
        raise ExperimentError("This link is damaged: it names a field twice.")
    if values.pop("v", None) != VERSION:
        raise ExperimentError(f"This link is not of version {VERSION}, the only one there is so far.")
    kind = values.pop("kind", RoundTrip.kind)
    if kind not in KINDS:
        raise ExperimentError(f"This link is for an experiment this copy does not have; it has {', '.join(KINDS)}.")
    unknown = [name for name in values if name not in {item.name for item in fields(KINDS[kind])}]  # type: ignore[arg-type]
    if unknown:
        raise ExperimentError(f"This link has a field that a {kind} does not have: {unknown[0][:40]!r}.")
    return KINDS[kind](**values)
