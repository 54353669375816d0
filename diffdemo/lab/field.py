"""Fields of an experiment: label, help, bounds, how a value is checked, how a link writes it."""

import dataclasses
import math
import re
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from diffdemo.errors import ExperimentError

_METADATA = "diffdemo"
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 80


@dataclass(frozen=True)
class Field:
    """One field of an experiment.

    Attributes:
        label: what the page calls it.
        help: one line with the unit and the bounds.
        check: turns any value into the value an experiment holds, or raises ExperimentError.
        default: what the page starts with.
        minimum, maximum: bounds of numbers and of lengths.
        choices: the words allowed.
        write: turns the value into its text in a link.
    """

    label: str
    help: str
    check: Callable[["Field", object], Any]
    default: Any
    minimum: float = 0
    maximum: float = 0
    choices: tuple[str, ...] = ()
    write: Callable[[Any], str] = str

    def accept(self, value: object) -> Any:
        """Return the value as an experiment holds it.

        Raises:
            ExperimentError: the value is of the wrong kind or out of bounds.
        """
        return self.check(self, value)

    def field(self, kw_only: bool = False, **changes: Any) -> Any:
        """Declare a dataclass field of this kind; `changes` replace its default, label or help."""
        spec = dataclasses.replace(self, **changes)
        metadata = {_METADATA: spec}
        return dataclasses.field(default=spec.default, metadata=metadata, kw_only=kw_only)


def fields_of(holder: Any) -> dict[str, Field]:
    """Return the fields of a dataclass, or of an instance of one, by name."""
    items = dataclasses.fields(holder)
    return {item.name: item.metadata[_METADATA] for item in items if _METADATA in item.metadata}


def accept_all(holder: Any) -> None:
    """Check every field of a frozen dataclass, and replace each value by its accepted form.

    Raises:
        ExperimentError: a value is of the wrong kind or out of bounds.
    """
    for name, field in fields_of(holder).items():
        object.__setattr__(holder, name, field.accept(getattr(holder, name)))


def refused(field: Field, value: object) -> ExperimentError:
    """Return the error for a value that a field does not accept."""
    return ExperimentError(f"{field.label} cannot be {_shortened(value)}: {field.help}.")


def _shortened(value: object) -> str:
    """Write any value, however large, in at most 41 characters."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # Python refuses to write a number of more than 4,300 digits
        return "a number that long"
    return text if len(text) <= 40 else f"{text[:40]}…"


def _whole(field: Field, value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value, re.ASCII):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not field.minimum <= value <= field.maximum:
        raise refused(field, value)
    return value


_NUMBER = re.compile(r"[0-9]{1,10}(\.[0-9]{1,20})?(e-?[0-9]{1,3})?", re.ASCII)


def check_real(field: Field, value: object) -> float:
    """Accept a real number within the bounds."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise refused(field, value)
    if not field.minimum <= value <= field.maximum:
        raise refused(field, value)
    return float(value) + 0.0  # turns -0.0, which would be written as -0, into 0.0


def write_number(value: float) -> str:
    """Write the shortest text that is read back as the same number."""
    return f"{value:g}" if float(f"{value:g}") == value else str(value)


def _word(field: Field, value: object) -> str:
    if not isinstance(value, str) or value not in field.choices:
        raise refused(field, value)
    return value


def _words(field: Field, value: object) -> tuple[str, ...]:
    """Accept some of the choices, each once; they are kept in the order of the choices."""
    words: list[Any] = []
    if isinstance(value, str):
        words = list(value.split(","))
    elif isinstance(value, Sequence):
        words = list(value)
    known = all(isinstance(word, str) and word in field.choices for word in words)
    if not words or not known or len(set(words)) < len(words):
        raise refused(field, value)
    return tuple(word for word in field.choices if word in words)


def whole(label: str, about: str, minimum: int, maximum: int, default: int) -> Field:
    """Make the field of a whole number."""
    return Field(label, about, _whole, default, minimum, maximum)


def real(label: str, about: str, minimum: float, maximum: float, default: float) -> Field:
    """Make the field of a real number."""
    return Field(label, about, check_real, default, minimum, maximum, write=write_number)


def word(label: str, about: str, choices: tuple[str, ...], default: str) -> Field:
    """Make the field of one word among several."""
    return Field(label, about, _word, default, choices=choices)


def words(label: str, about: str, choices: tuple[str, ...]) -> Field:
    """Make the field of some of several words; all of them by default."""
    return Field(label, about, _words, choices, choices=choices, write=",".join)
