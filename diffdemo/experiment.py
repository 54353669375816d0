"""Experiments as values: frozen dataclasses over the table of fields, written as a query string and read back, every value checked.

The page, the link, the command line and the cache speak these and nothing else. Syntax and fixed bounds are checked here;
what depends on a model (n <= T, which models and pictures there are) is checked by the lab before any work.
"""

import base64
import re
from dataclasses import Field, asdict, dataclass, fields
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from diffdemo.errors import ExperimentError
from diffdemo.fields import FIELDS, MAX_N, accept_all
from diffdemo.terms import SEED_END

VERSION = "1"
MAX_QUERY = 8000  # characters of a link's query
MAX_TILES = 1024  # levels x seeds of a curve
FOREIGN = re.compile(r"__|utm_|fbclid$|gclid$|ref$|logs$|deep_link$")  # names that Gradio, Spaces and other sites put into an address
WAYS_BACK = 8  # from the x_n that two pictures share


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
    question: ClassVar[str]  # that it answers
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    model: str
    picture: str
    revision: str
    prompt: str
    guidance: float

    def __post_init__(self) -> None:
        accept_all(self)
        if self.prompt and (length := len(self.to_query())) > MAX_QUERY:
            raise ExperimentError(f"A link holds at most {MAX_QUERY} characters, this one would have {length}: shorten the prompt or drop pictures.")

    def to_query(self) -> str:
        """The experiment as a query string, "v=1&kind=…&…", that `experiment_from_query` reads back."""
        pairs = [(name, FIELDS[name].write(value)) for name, value in asdict(self).items()]
        return urlencode([("v", VERSION), ("kind", self.kind), *((name, text) for name, text in pairs if text)], safe=":,/")


@dataclass(frozen=True)
class RoundTrip(Experiment):
    """There and back: one picture, many seeds, n steps of noise, and what each x_n leads back to.

    Raises:
        ExperimentError: a field is out of its bounds (see FIELDS), or eta > 0 is asked of a deterministic solver.
    """

    kind: ClassVar[str] = "round-trip"
    question: ClassVar[str] = "Does it come back?"

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
    prompt: str = FIELDS["prompt"].default
    guidance: float = FIELDS["guidance"].default

    def __post_init__(self) -> None:
        super().__post_init__()
        check_solver(self)


@dataclass(frozen=True)
class Curve(Experiment):
    """Point of no return: one picture, a grid of levels n x seeds, and what each x_n still knows and leads back to.

    Raises:
        ExperimentError: a field is out of its bounds, levels x seeds is above MAX_TILES, or eta > 0 is asked of a deterministic solver.
    """

    kind: ClassVar[str] = "curve"
    question: ClassVar[str] = "Why does 300 work and 1000 not?"

    model: str = FIELDS["model"].default
    picture: str = FIELDS["picture"].default
    levels: tuple[int, ...] = FIELDS["levels"].default
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    steps: int = FIELDS["steps"].default
    eta: float = FIELDS["eta"].default
    solver: str = FIELDS["solver"].default
    spacing: str = FIELDS["spacing"].default
    revision: str = FIELDS["revision"].default
    prompt: str = FIELDS["prompt"].default
    guidance: float = FIELDS["guidance"].default

    def __post_init__(self) -> None:
        super().__post_init__()
        check_solver(self)
        if (tiles := len(self.levels) * len(self.seeds)) > MAX_TILES:
            raise ExperimentError(f"{len(self.levels)} levels times {len(self.seeds)} seeds are {tiles} pictures; at most {MAX_TILES} are taken.")


@dataclass(frozen=True)
class Belief(Experiment):
    """What could it have been: the exact posterior over a line-up given one x_n, beside the network's own guess.

    Raises:
        ExperimentError: a field is out of its bounds (see FIELDS).
    """

    kind: ClassVar[str] = "belief"
    question: ClassVar[str] = "How sure can anyone be?"

    model: str = FIELDS["model"].default
    picture: str = FIELDS["picture"].default
    n: int = FIELDS["n"].default
    seed: int = FIELDS["seed"].default
    line_up: str = FIELDS["line_up"].default
    revision: str = FIELDS["revision"].default
    prompt: str = FIELDS["prompt"].default
    guidance: float = FIELDS["guidance"].default


@dataclass(frozen=True)
class Embedding(Experiment):
    """Is x_T an embedding: ways from one picture to an x_n, what each leads back to, and whether it passes as noise.

    Raises:
        ExperimentError: a field is out of its bounds (see FIELDS), or n is 0.
    """

    kind: ClassVar[str] = "embed"
    question: ClassVar[str] = "Which x_T come back?"

    model: str = FIELDS["model"].default
    picture: str = FIELDS["picture"].default
    n: int = MAX_N
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    steps: int = 50
    methods: tuple[str, ...] = FIELDS["methods"].default
    warm: float = FIELDS["warm"].default
    other: str = ""
    revision: str = FIELDS["revision"].default
    prompt: str = FIELDS["prompt"].default
    guidance: float = FIELDS["guidance"].default

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_noise(self, "there is no code of it")


@dataclass(frozen=True)
class Collision(Experiment):
    """Two pictures, one noise: the noise that takes a second picture to the very x_n of the first, and whose picture comes back from it.

    Raises:
        ExperimentError: a field is out of its bounds (see FIELDS), n is 0, there is no second picture, or the last seed is too large.
    """

    kind: ClassVar[str] = "collide"
    question: ClassVar[str] = "Can two pictures share one x_n?"

    model: str = FIELDS["model"].default
    picture: str = FIELDS["picture"].default
    other: str = FIELDS["other"].default
    n: int = 500
    seed: int = FIELDS["seed"].default
    steps: int = 50
    eta: float = 1.0
    revision: str = FIELDS["revision"].default
    prompt: str = FIELDS["prompt"].default
    guidance: float = FIELDS["guidance"].default

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_noise(self, "two pictures share nothing")
        if not self.other:
            raise ExperimentError("A collision needs a second picture.")
        _check_futures(self, WAYS_BACK)


@dataclass(frozen=True)
class Branch(Experiment):
    """Where paths split: one ancestral path down from x_T, and futures that leave it at points along the way.

    Raises:
        ExperimentError: a field is out of its bounds (see FIELDS), or the last seed is too large.
    """

    kind: ClassVar[str] = "branch"
    question: ClassVar[str] = "When is it decided?"

    model: str = FIELDS["model"].default
    picture: str = FIELDS["picture"].default
    seed: int = FIELDS["seed"].default
    points: int = FIELDS["points"].default
    futures: int = FIELDS["futures"].default
    steps: int = 50
    jump: int = FIELDS["jump"].default
    revision: str = FIELDS["revision"].default
    prompt: str = FIELDS["prompt"].default
    guidance: float = FIELDS["guidance"].default

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_futures(self, self.futures)


def _check_noise(experiment: Any, otherwise: str) -> None:
    if experiment.n == 0:
        raise ExperimentError(f"Without noise {otherwise}: the number of noise steps n must be at least 1.")


def _check_futures(experiment: Any, count: int) -> None:
    """Future j uses seed + 1 + j."""
    if experiment.seed + count >= SEED_END:
        raise ExperimentError(f"The seeds after this one are needed too: with {count} ways back the seed is at most {SEED_END - 1 - count}.")


def check_solver(experiment: Any) -> None:
    """Refuse fresh noise where the solver draws none; of anything with an eta and a solver.

    Raises:
        ExperimentError: eta > 0 is asked of a deterministic solver.
    """
    if experiment.eta > 0 and experiment.solver != "ddim":
        raise ExperimentError(f"The solver {experiment.solver} is deterministic: it takes eta = 0, not {experiment.eta:g}.")


KINDS: dict[str, type[Experiment]] = {cls.kind: cls for cls in (RoundTrip, Curve, Embedding, Collision, Belief, Branch)}


def experiment_from_query(query: str) -> Experiment:
    """Read an experiment back from a link's query string; absent fields take their defaults, names that others add are left out.

    Raises:
        ExperimentError: too long, of another version, of an unknown kind, with an unknown or doubled field, or with a value out of bounds.
    """
    if not isinstance(query, str) or len(query) > MAX_QUERY:
        raise ExperimentError(f"A link holds at most {MAX_QUERY} characters after the question mark.")
    try:
        pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=50)
    except ValueError as error:
        raise ExperimentError("This link is damaged: it is not made of name=value pairs.") from error
    own = [pair for pair in pairs if not FOREIGN.match(pair[0])]
    values = dict(own)
    if len(values) < len(own):
        raise ExperimentError("This link is damaged: it names a field twice.")
    if values.pop("v", None) != VERSION:
        raise ExperimentError(f"This link is not of version {VERSION}, the only one there is so far.")
    kind = values.pop("kind", RoundTrip.kind)
    if kind not in KINDS:
        raise ExperimentError(f"This link is for an experiment this copy does not have; it has {', '.join(KINDS)}.")
    unknown = [name for name in values if name not in {item.name for item in fields(KINDS[kind])}]
    if unknown:
        raise ExperimentError(f"This link has a field that a {kind} does not have: {unknown[0][:40]!r}.")
    return KINDS[kind](**values)
