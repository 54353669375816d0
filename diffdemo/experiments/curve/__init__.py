"""Point of no return: what is known and what comes back, level by level."""

from dataclasses import dataclass

from diffdemo.errors import ExperimentError
from diffdemo.lab import fields
from diffdemo.lab.experiment import Experiment, check_solver

MAX_TILES = 1024  # levels times seeds


@dataclass(frozen=True)
class Curve(Experiment, kind="curve"):
    """Point of no return: one picture on a grid of levels and seeds, what each x_n still knows
    and what it leads back to.

    Raises:
        ExperimentError: a field is out of its bounds, levels times seeds is above MAX_TILES, or
            eta > 0 is asked of a deterministic solver.
    """

    question = "Why does 250 work and 1000 not?"

    levels: tuple[int, ...] = fields.LEVELS.field()
    seeds: tuple[int, ...] = fields.SEEDS.field(default=(0, 1, 2, 3))
    steps: int = fields.STEPS.field()
    eta: float = fields.ETA.field()
    solver: str = fields.SOLVER.field()
    spacing: str = fields.SPACING.field()

    def check(self) -> None:
        """Check eta against the solver, and the number of tiles."""
        check_solver(self)
        levels = len(self.levels)
        seeds = len(self.seeds)
        if levels * seeds > MAX_TILES:
            tiles = f"{levels} levels times {seeds} seeds are {levels * seeds} pictures"
            raise ExperimentError(f"{tiles}; at most {MAX_TILES} are taken.")
