"""Two pictures, one noise: every x_n belongs to every picture, with more or less likely noise."""

from dataclasses import dataclass

from diffdemo.errors import ExperimentError
from diffdemo.lab import fields
from diffdemo.lab.experiment import Experiment, check_later_seeds, check_noise

WAYS_BACK = 8  # from the shared x_n, one for each of the seeds after `seed`


@dataclass(frozen=True)
class Collision(Experiment, kind="collide"):
    """Two pictures, one noise: the noise that takes a second picture to the very x_n of the
    first, and whose picture comes back from it.

    Raises:
        ExperimentError: a field is out of its bounds, n is 0, there is no second picture, or the
            last seed is too large.
    """

    question = "Can two pictures share one noisy picture?"

    other: str = fields.OTHER.field()
    n: int = fields.N.field(default=500)
    seed: int = fields.SEED.field()
    steps: int = fields.STEPS.field(default=50)
    eta: float = fields.ETA.field(default=1.0)

    def check(self) -> None:
        """Refuse n = 0, a missing second picture, and a seed without WAYS_BACK seeds after it."""
        check_noise(self, "two pictures share nothing")
        if not self.other:
            raise ExperimentError("A collision needs a second picture.")
        check_later_seeds(self, WAYS_BACK)
