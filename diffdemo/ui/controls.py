"""The page's controls ⇄ an experiment, what all tabs share of it: what the rail's raw values say, and how controls stand for an experiment."""

from dataclasses import dataclass, replace
from typing import Any

from diffdemo.errors import ExperimentError
from diffdemo.fields import FIELDS, MAX_SEEDS, format_seeds
from diffdemo.models import Model
from diffdemo.terms import SEED_END
from diffdemo.ui.shelf import Models

FIRST = replace(FIELDS["seed"], label="First seed", help=f"a whole number from 0 to {SEED_END - 1}")
COUNT = replace(FIELDS["n"], label="How many seeds", help=f"a whole number from 1 to {MAX_SEEDS}", default=16, minimum=1, maximum=MAX_SEEDS)
BEST: dict[str, Any] = {"steps": 16, "solver": "dpm++2m"}  # what the page starts with: as good as 50 DDIM steps, see `python -m diffdemo tradeoff`
PER_LEVEL = replace(COUNT, label="Seeds per level or code", help="a whole number from 1 to 16", default=4, maximum=16)

SAMPLER = ("steps", "eta", "solver", "spacing")  # names in Settings
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


def sampler_stand(e: Any) -> dict[str, Any]:
    """The rail's part of `Stand` for the sampler of an experiment that has all of it."""
    return {name: getattr(e, name) for name in SAMPLER}


def seeds_stand(seeds: tuple[int, ...], how_many: str) -> dict[str, Any]:
    """The rail's part of `Stand` for seeds: a run by its first and its length, any others listed.

    Args:
        seeds: of an experiment.
        how_many: the control that counts them, `count` or `per_level`.
    """
    most = {"count": COUNT, "per_level": PER_LEVEL}[how_many].maximum
    run = len(seeds) <= most and seeds == tuple(range(seeds[0], seeds[0] + len(seeds)))
    return {"first": seeds[0], how_many: len(seeds), "listed": ""} if run else {"first": seeds[0], "listed": format_seeds(seeds)}
