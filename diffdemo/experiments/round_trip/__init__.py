"""There and back: noise a picture with many seeds, denoise, and see what comes back."""

from dataclasses import dataclass

from diffdemo.lab import field, fields
from diffdemo.lab.experiment import Experiment, check_solver

STARTS = ("picture", "noise")
START = field.word(
    "Start",
    "picture (n steps of noise on the picture) or noise (pure Gaussian noise alone)",
    STARTS,
    default="picture",
)


@dataclass(frozen=True)
class RoundTrip(Experiment, kind="round-trip"):
    """There and back: one picture, many seeds, n steps of noise, and what each x_n leads back to.

    Raises:
        ExperimentError: a field is out of its bounds, or eta > 0 is asked of a deterministic
            solver.
    """

    question = "Does it come back?"

    n: int = fields.N.field()
    seeds: tuple[int, ...] = fields.SEEDS.field()
    steps: int = fields.STEPS.field()
    eta: float = fields.ETA.field()
    solver: str = fields.SOLVER.field()
    spacing: str = fields.SPACING.field()
    start: str = START.field()

    def check(self) -> None:
        """Check eta against the solver."""
        check_solver(self)
