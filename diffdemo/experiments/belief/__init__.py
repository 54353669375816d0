"""What could it have been: the exact posterior over a line-up, beside the network's guess."""

from dataclasses import dataclass
from typing import Any

from diffdemo.lab import fields
from diffdemo.lab.experiment import Experiment
from diffdemo.lab.field import Field, refused
from diffdemo.lab.fields import by_hash, check_picture

MAX_CANDIDATES = 16
MAX_LINE_UP = 6000  # characters of a line-up's pictures in a link


def _line_up(field: Field, value: Any) -> str:
    """Accept nothing for the model's own line-up, else pictures joined by commas."""
    if not isinstance(value, str) or len(value) > MAX_LINE_UP:
        raise refused(field, value)
    pictures = [check_picture(field, name) for name in value.split(",")] if value else []
    if len(pictures) > field.maximum or any(by_hash(picture) for picture in pictures):
        raise refused(field, value)
    return value


LINE_UP = Field(
    "Line-up",
    f"nothing for the model's own, or up to {MAX_CANDIDATES} pictures joined by commas",
    _line_up,
    "",
    maximum=MAX_CANDIDATES,
)


@dataclass(frozen=True)
class Belief(Experiment, kind="belief"):
    """What could it have been: the exact posterior over a line-up given one x_n, beside the
    network's own guess.

    Raises:
        ExperimentError: a field is out of its bounds.
    """

    question = "How sure can anyone be?"

    n: int = fields.N.field(default=250)
    seed: int = fields.SEED.field()
    line_up: str = LINE_UP.field()


@dataclass(frozen=True)
class BeliefSweep(Belief):
    """The same question at several levels of n, for the flip-book of the page; not in a link.

    Its run yields a SweepResult, with one BeliefResult for each level.
    """

    levels: tuple[int, ...] = fields.LEVELS.field(write=lambda levels: "")

    @classmethod
    def over(cls, e: Belief, levels: tuple[int, ...]) -> "BeliefSweep":
        """Return the question of `e` at other levels; it is the same for every n of `e`."""
        return cls(**{**vars(e), "n": 0, "levels": levels})

    def at(self, n: int) -> Belief:
        """Return the question at one level."""
        values = {name: getattr(self, name) for name in Belief.fields()}
        return Belief(**{**values, "n": n})
