"""Between the page's controls and experiments: what raw values say, and the way back."""

from dataclasses import dataclass, replace
from typing import Any

from diffdemo.diffusion.terms import SEED_END
from diffdemo.lab import field, fields
from diffdemo.lab.notation import MAX_SEEDS, format_seeds
from diffdemo.models import Model
from diffdemo.report.portraits import picture_of
from diffdemo.widgets.available import Models
from diffdemo.widgets.events import Raw

Values = dict[str, Any]  # by name: raw values, as the browser sent them

FIRST = replace(fields.SEED, label="First seed", help=f"a whole number from 0 to {SEED_END - 1}")
COUNT = field.whole(
    "How many seeds",
    f"a whole number from 1 to {MAX_SEEDS}",
    minimum=1,
    maximum=MAX_SEEDS,
    default=16,
)
PER_LEVEL = replace(
    COUNT,
    label="Seeds per level or code",
    help="a whole number from 1 to 16",
    default=4,
    maximum=16,
)
# What the page starts with: as good as 50 DDIM steps (`python -m diffdemo tradeoff`).
BEST: Values = {"steps": 16, "solver": "dpm++2m"}
TRIES = tuple(range(8))  # seeds that the page starts with
SAMPLER = ("steps", "eta", "solver", "spacing")  # names in Settings


@dataclass(frozen=True)
class Settings:
    """What the page's controls say. The experiment checks what is not checked here.

    Attributes:
        model: the model chosen.
        picture: as an experiment names it.
        n: the dial.
        first, count: the seeds, one after the other.
        steps, eta, solver, spacing, start: the sampler.
        per_level: how many of the seeds a curve or a code takes.
        listed: seeds as 0,3,7 that are used instead; "" for none.
        prompt, guidance: for a text model.
    """

    model: Model
    picture: Raw
    n: Raw
    first: int
    count: int
    steps: Raw
    eta: Raw
    solver: Raw
    spacing: Raw
    start: Raw
    per_level: Raw
    listed: Raw
    prompt: Raw
    guidance: Raw

    @classmethod
    def read(cls, models: Models, values: Values) -> "Settings":
        """Read the raw values of the page's controls, by name.

        Raises:
            DiffdemoError: the model or a seed is impossible.
        """
        checked = {
            "model": models[values["model"]],
            "picture": picture_of(values["picture"]),
            "first": FIRST.accept(values["first"]),
            "count": COUNT.accept(values["count"]),
        }
        return cls(**{**values, **checked})

    @property
    def common(self) -> Values:
        """The fields of every experiment: model, picture, and for a text model the prompt."""
        found = {"model": self.model.name, "picture": self.picture}
        if self.model.kind == "text":
            found |= {"prompt": self.prompt, "guidance": self.guidance}
        return found

    @property
    def sampler(self) -> Values:
        """The fields of an experiment that takes the whole sampler from the page's controls."""
        return {name: getattr(self, name) for name in SAMPLER}

    def seeds(self, count: int) -> Any:
        """Return the listed seeds, else so many from the first one on."""
        return self.listed if self.listed else tuple(range(self.first, self.first + count))


def even_levels(model: Model, count: int = 21) -> tuple[int, ...]:
    """Return evenly spaced levels from 0 to T."""
    T = model.schedule.T
    return tuple(sorted({round(k * T / (count - 1)) for k in range(count)}))


@dataclass(frozen=True)
class ControlValues:
    """The values that make the controls describe an experiment.

    Attributes:
        shared: value by name in Settings, of those it determines beside model and picture.
        own: value by name of its tab's own controls; pictures as an experiment names them.
    """

    shared: Values
    own: Values


def sampler_values(e: Any) -> Values:
    """Return the page's values for the sampler of an experiment that has all of it."""
    return {name: getattr(e, name) for name in SAMPLER}


def seed_values(seeds: tuple[int, ...], count: str) -> Values:
    """Return the page's values for seeds: neighbours by first and number, any others listed.

    Args:
        seeds: of an experiment.
        count: the control that counts them, "count" or "per_level".
    """
    most = {"count": COUNT, "per_level": PER_LEVEL}[count].maximum
    neighbours = seeds == tuple(range(seeds[0], seeds[0] + len(seeds)))
    if neighbours and len(seeds) <= most:
        return {"first": seeds[0], count: len(seeds), "listed": ""}
    return {"first": seeds[0], "listed": format_seeds(seeds)}
