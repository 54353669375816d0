"""The page's controls ⇄ an experiment: what their raw values ask for, and how they stand for an experiment that a link brings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from diffdemo.errors import ExperimentError
from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, Experiment, RoundTrip
from diffdemo.fields import FIELDS, MAX_SEEDS, format_levels, format_seeds
from diffdemo.models import Model
from diffdemo.terms import SEED_END
from diffdemo.ui.shelf import Models

FIRST = replace(FIELDS["seed"], label="First seed", help=f"a whole number from 0 to {SEED_END - 1}")
COUNT = replace(FIELDS["n"], label="How many seeds", help=f"a whole number from 1 to {MAX_SEEDS}", default=16, minimum=1, maximum=MAX_SEEDS)
SAMPLER: dict[str, Any] = {"steps": 16, "solver": "dpm++2m"}  # what the page starts with: as good as 50 DDIM steps, see `python -m diffdemo tradeoff`
PER_LEVEL = replace(COUNT, label="Seeds per level or code", help="a whole number from 1 to 16", default=4, maximum=16)

AT = ("all noise, n = T", "the dial's n")
RAIL = 14  # raw values that come from the rail; a tab's own follow


@dataclass(frozen=True)
class Settings:
    """What the rail says, in the order of its widgets; the experiment checks what is not checked here.

    Attributes:
        model: the model chosen.
        picture: as an experiment names it.
        n: the dial.
        first, count: the seeds, one after the other.
        steps, eta, solver, spacing, start: the sampler.
        per_level: how many of the seeds a curve or a code takes.
        listed: seeds as 0,3,7 that count instead; nothing for none.
        prompt, guidance: what a text model is told.
    """

    model: Model
    picture: Any
    n: Any
    first: int
    count: int
    steps: Any
    eta: Any
    solver: Any
    spacing: Any
    start: Any
    per_level: Any
    listed: Any
    prompt: Any
    guidance: Any

    @property
    def told(self) -> dict[str, Any]:
        """Prompt and guidance, of a model that takes them."""
        return {"prompt": self.prompt, "guidance": self.guidance} if self.model.kind == "text" else {}

    def seeds(self, count: int) -> Any:
        """The listed seeds, else so many from the first one on."""
        return self.listed if self.listed else tuple(range(self.first, self.first + count))


def settings(models: Models, values: tuple) -> Settings:
    """The rail's raw values, RAIL of them.

    Raises:
        DiffdemoError: the model or a seed is impossible.
    """
    name, portrait, n, first, count, *rest = values
    return Settings(models[name], named(portrait), n, FIRST.accept(first), COUNT.accept(count), *rest)


def named(portrait: Any) -> Any:
    """The picture of a portrait, as an experiment names it."""
    return portrait.get("picture") if isinstance(portrait, dict) else portrait


def experiment(kind: type[Experiment], models: Models, values: tuple) -> Experiment:
    """The experiment of a tab that raw values describe: RAIL of the rail, in the order of Settings, then the tab's own.

    Raises:
        DiffdemoError: a value is impossible.
    """
    return _ASK[kind](settings(models, values[:RAIL]), *values[RAIL:])


def _round_trip(s: Settings, *_: Any) -> RoundTrip:
    return RoundTrip(s.model.name, s.picture, s.n, s.seeds(s.count), s.steps, s.eta, s.solver, s.spacing, s.start, **s.told)


def _curve(s: Settings, listed: Any = "", *_: Any) -> Curve:
    seeds = s.seeds(PER_LEVEL.accept(s.per_level))
    return Curve(s.model.name, s.picture, listed or levels(s.model), seeds, s.steps, s.eta, s.solver, s.spacing, **s.told)


def _embedding(s: Settings, at: Any, steps: Any, warm: Any, methods: Any, second: Any) -> Embedding:
    if at not in AT:
        raise ExperimentError(f"The codes are those at one of: {', '.join(AT)}.")
    n, seeds = s.model.schedule.T if at == AT[0] else s.n, s.seeds(PER_LEVEL.accept(s.per_level))
    return Embedding(s.model.name, s.picture, n, seeds, steps, methods, warm, named(second), **s.told)


def _collision(s: Settings, second: Any, steps: Any, eta: Any) -> Collision:
    return Collision(s.model.name, s.picture, named(second), s.n, s.first, steps, eta, **s.told)


def _belief(s: Settings, collected: Any, *_: Any) -> Belief:
    return Belief(s.model.name, s.picture, s.n, s.first, collected_names(collected), **s.told)


def _branch(s: Settings, points: Any, futures: Any, steps: Any, jump: Any) -> Branch:
    return Branch(s.model.name, s.picture, s.first, points, futures, steps, jump, **s.told)


_ASK: dict[type[Experiment], Callable[..., Experiment]] = {
    RoundTrip: _round_trip, Curve: _curve, Embedding: _embedding, Collision: _collision, Belief: _belief, Branch: _branch,
}  # fmt: skip


def collected_names(collected: Any) -> str:
    """The visitor's own line-up as an experiment writes it, from the portraits on the page; nothing for the model's own.

    Raises:
        ExperimentError: the browser sent something else than pictures, or too many.
    """
    if not isinstance(collected, list | None):
        raise ExperimentError("The line-up on the page is damaged; please load the page again.")
    names = [FIELDS["picture"].accept(named(portrait)) for portrait in collected or []]
    return FIELDS["line_up"].accept(",".join(names))


def levels(model: Model, count: int = 21) -> tuple[int, ...]:
    """Evenly spaced levels from 0 to T."""
    T = model.schedule.T
    return tuple(sorted({round(k * T / (count - 1)) for k in range(count)}))


@dataclass(frozen=True)
class Stand:
    """How the controls stand for an experiment.

    Attributes:
        rail: name in Settings → value, of the controls it determines beside model and picture.
        own: the values of its tab's own controls; pictures as an experiment names them.
    """

    rail: dict[str, Any]
    own: tuple[Any, ...] = ()


def stand(e: Any, model: Model) -> Stand:
    """How the controls stand for an experiment, so that `experiment` reads it back from them.

    Args:
        e: any of the six.
        model: the one it names.
    """
    found = _stand(e, model)
    return Stand({**found.rail, "prompt": e.prompt, "guidance": e.guidance}, found.own)


def _stand(e: Any, model: Model) -> Stand:
    sampler = {name: getattr(e, name) for name in ("steps", "eta", "solver", "spacing") if isinstance(e, RoundTrip | Curve)}
    if isinstance(e, RoundTrip):
        return Stand({"n": e.n, "start": e.start, **sampler, **_seeds(e.seeds, "count", COUNT.maximum)})
    if isinstance(e, Curve):
        return Stand({**sampler, **_seeds(e.seeds, "per_level", PER_LEVEL.maximum)}, ("" if e.levels == levels(model) else format_levels(e.levels),))
    if isinstance(e, Embedding):
        whole = e.n == model.schedule.T
        rail = {**({} if whole else {"n": e.n}), **_seeds(e.seeds, "per_level", PER_LEVEL.maximum)}
        return Stand(rail, (AT[0] if whole else AT[1], e.steps, e.warm, list(e.methods), e.other))
    if isinstance(e, Collision):
        return Stand({"n": e.n, "first": e.seed}, (e.other, e.steps, e.eta))
    if isinstance(e, Belief):
        return Stand({"n": e.n, "first": e.seed}, (e.line_up.split(",") if e.line_up else [],))
    return Stand({"first": e.seed}, (e.points, e.futures, e.steps, e.jump))


def _seeds(seeds: tuple[int, ...], how_many: str, most: float) -> dict[str, Any]:
    """A run of seeds by its first and its length, any others listed."""
    run = len(seeds) <= most and seeds == tuple(range(seeds[0], seeds[0] + len(seeds)))
    return {"first": seeds[0], how_many: len(seeds), "listed": ""} if run else {"first": seeds[0], "listed": format_seeds(seeds)}
