"""Where paths split: one path down from x_T, and futures that leave it on the way."""

from dataclasses import dataclass

from diffdemo.lab import field, fields
from diffdemo.lab.experiment import Experiment, check_later_seeds

MAX_POINTS = 32
MAX_FUTURES = 32
MAX_JUMP = 20
POINTS = field.whole(
    "Points where paths part",
    f"a whole number of points along the path from 1 to {MAX_POINTS}",
    minimum=1,
    maximum=MAX_POINTS,
    default=8,
)
FUTURES = field.whole(
    "Paths from each point",
    f"a whole number of futures from each point, from 2 to {MAX_FUTURES}",
    minimum=2,
    maximum=MAX_FUTURES,
    default=6,
)
JUMP = field.whole(
    "Jump back",
    f"a whole number of steps, 0 (never) to {MAX_JUMP}, that the path climbs back each time",
    minimum=0,
    maximum=MAX_JUMP,
    default=0,
)


@dataclass(frozen=True)
class Branch(Experiment, kind="branch"):
    """Where paths split: one ancestral path down from x_T, and futures that leave it at points
    along the way.

    Raises:
        ExperimentError: a field is out of its bounds, or the last seed is too large.
    """

    question = "When is it decided?"

    seed: int = fields.SEED.field()
    points: int = POINTS.field()
    futures: int = FUTURES.field()
    steps: int = fields.STEPS.field(default=50)
    jump: int = JUMP.field()

    def check(self) -> None:
        """Refuse a seed without room for one seed a future after it."""
        check_later_seeds(self, self.futures)
