"""Experiments as values: frozen dataclasses, written as a query string and read back.

The page, the link, the command line, the API and the cache share these values. Syntax and fixed
bounds are checked here. What depends on a model (n <= T, which models and pictures exist) is
checked by `lab.prepare` before any work.

Each experiment is a package under `diffdemo/experiments`: the dataclass in `__init__.py`, and
modules `run`, `words` and `tab`, which are imported when they are first needed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import parse_qsl, urlencode

from diffdemo.diffusion.terms import SEED_END
from diffdemo.errors import ExperimentError
from diffdemo.lab import fields
from diffdemo.lab.field import Field, accept_all, fields_of

if TYPE_CHECKING:
    from torch import Tensor

    from diffdemo.diffusion.schedule import Schedule
    from diffdemo.lab.prepare import Ready
    from diffdemo.lab.progress import Progress

VERSION = "1"
MAX_QUERY = 8000  # characters of a link's query
# Names that Gradio, Spaces, other sites and the page itself (?stage=1) add to an address.
FOREIGN = re.compile(r"__|utm_|fbclid$|gclid$|ref$|logs$|deep_link$|stage$")
FIRST = ("model", "picture")  # fields that a query names first ...
LAST = ("revision", "prompt", "guidance")  # ... and last

KINDS: dict[str, type["Experiment"]] = {}  # in the order of the page


@dataclass(frozen=True)
class Experiment:
    """What all experiments have in common. A subclass adds its own fields, and `kind`.

    Raises:
        ExperimentError: a field is out of its bounds.
    """

    kind: ClassVar[str]
    question: ClassVar[str]  # the question it answers, shown as the headline of its tab

    model: str = fields.MODEL.field()
    picture: str = fields.PICTURE.field()
    revision: str = fields.REVISION.field(kw_only=True)
    prompt: str = fields.PROMPT.field(kw_only=True)
    guidance: float = fields.GUIDANCE.field(kw_only=True)

    def __init_subclass__(cls, kind: str = "") -> None:
        """Register a subclass that names its kind."""
        if kind:
            cls.kind = kind
            KINDS[kind] = cls

    def __post_init__(self) -> None:
        accept_all(self)
        length = len(self.to_query()) if self.prompt else 0
        if length > MAX_QUERY:
            limit = f"A link holds at most {MAX_QUERY} characters, this one would have {length}"
            raise ExperimentError(f"{limit}: shorten the prompt or drop pictures.")
        self.check()

    def check(self) -> None:
        """Check what concerns several fields at once; a subclass says what.

        Raises:
            ExperimentError: the values do not fit together.
        """

    @classmethod
    def fields(cls) -> dict[str, Field]:
        """Return all fields by name, in the order of a link."""
        found = fields_of(cls)
        own = [name for name in found if name not in FIRST + LAST]
        return {name: found[name] for name in (*FIRST, *own, *LAST)}

    @classmethod
    def about(cls) -> str:
        """Return the first paragraph of its docstring, in one line."""
        return " ".join((cls.__doc__ or "").split("\n\n")[0].split())

    def to_query(self) -> str:
        """Write the experiment as "v=1&kind=…&…", which `experiment_from_query` reads back."""
        pairs = [("v", VERSION), ("kind", self.kind)]
        for name, field in self.fields().items():
            text = field.write(getattr(self, name))
            if text:
                pairs.append((name, text))
        return urlencode(pairs, safe=":,/")

    @classmethod
    def part(cls, name: str) -> ModuleType:
        """Import a module of the experiment's package: "run", "words" or "tab"."""
        return import_module(f"{cls.__module__}.{name}")

    def levels_asked(self) -> tuple[int, ...]:
        """Return the noise levels that it needs a model to have."""
        return getattr(self, "levels", None) or (getattr(self, "n", 0),)

    def calls(self, schedule: "Schedule") -> int:
        """Count the network calls of a run, each for one picture; nearly, for fixed points."""
        return int(self.part("run").calls(self, schedule))

    def run(self, ready: "Ready") -> Iterator["Progress | Result"]:
        """Run it; yields Progress after each network call, and last the result."""
        yield from self.part("run").run(self, ready)


class Result(Protocol):
    """What a run ends with; each experiment has its own."""

    @property
    def experiment(self) -> Any:
        """What was run, with the revision of the weights."""

    @property
    def x0(self) -> "Tensor":
        """The picture, (1, C, H, W)."""

    @property
    def seconds(self) -> float:
        """How long it took."""


def check_solver(experiment: Any) -> None:
    """Refuse fresh noise where the solver draws none; for anything with an eta and a solver.

    Raises:
        ExperimentError: eta > 0 is asked of a deterministic solver.
    """
    if experiment.eta > 0 and experiment.solver != "ddim":
        asked = f"it takes eta = 0, not {experiment.eta:g}"
        raise ExperimentError(f"The solver {experiment.solver} is deterministic: {asked}.")


def check_noise(experiment: Any, without: str) -> None:
    """Refuse n = 0; `without` says what is missing without noise.

    Raises:
        ExperimentError: n is 0.
    """
    if experiment.n == 0:
        needed = "the number of noise steps n must be at least 1"
        raise ExperimentError(f"Without noise {without}: {needed}.")


def check_later_seeds(experiment: Any, count: int) -> None:
    """Refuse a seed that leaves no room for the `count` seeds after it.

    Raises:
        ExperimentError: the last seed would be too large.
    """
    if experiment.seed + count >= SEED_END:
        most = SEED_END - 1 - count
        needed = f"with {count} ways back the seed is at most {most}"
        raise ExperimentError(f"The seeds after this one are needed too: {needed}.")


def experiment_from_query(query: str) -> Experiment:
    """Read an experiment from a link's query string.

    Absent fields take their defaults. Names that other sites add to an address are ignored.

    Raises:
        ExperimentError: the query is too long, of another version, of an unknown kind, names an
            unknown field or one field twice, or holds a value out of bounds.
    """
    if not isinstance(query, str) or len(query) > MAX_QUERY:
        limit = f"at most {MAX_QUERY} characters after the question mark"
        raise ExperimentError(f"A link holds {limit}.")
    values = _values(query)
    if values.pop("v", None) != VERSION:
        raise ExperimentError(f"This link is not of version {VERSION}, the only one so far.")
    kind = values.pop("kind", next(iter(KINDS)))
    if kind not in KINDS:
        missing = "This link is for an experiment this copy does not have"
        raise ExperimentError(f"{missing}; it has {', '.join(KINDS)}.")
    unknown = [name for name in values if name not in KINDS[kind].fields()]
    if unknown:
        name = unknown[0][:40]
        raise ExperimentError(f"This link has a field that a {kind} does not have: {name!r}.")
    return KINDS[kind](**values)


def _values(query: str) -> dict[str, Any]:
    """Return the fields of a query by name."""
    try:
        pairs = parse_qsl(
            query.removeprefix("?"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=50,
        )
    except ValueError as error:
        raise ExperimentError(
            "This link is damaged: it is not made of name=value pairs."
        ) from error
    own = [pair for pair in pairs if not FOREIGN.match(pair[0])]
    values = dict(own)
    if len(values) < len(own):
        raise ExperimentError("This link is damaged: it names a field twice.")
    return values
