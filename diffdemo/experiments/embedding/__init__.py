"""Is x_T an embedding: ways from a picture to an x_T, and what each is worth."""

from dataclasses import dataclass

from diffdemo.lab import field, fields
from diffdemo.lab.experiment import Experiment, check_noise

CODES = ("random", "ddim", "fixed-point", "edit-friendly", "dpm-encoder")  # ways to an x_n
METHODS = field.words("Codes", f"some of {', '.join(CODES)}, joined by commas", CODES)
WARM = field.real(
    "Warm start",
    "the share, 0 to 1, of an inversion's lowest steps that one jump of noise replaces",
    minimum=0,
    maximum=1,
    default=0.0,
)


@dataclass(frozen=True)
class Embedding(Experiment, kind="embed"):
    """Is x_T an embedding: ways from one picture to an x_n, what each leads back to, and whether
    it passes as noise.

    Raises:
        ExperimentError: a field is out of its bounds, or n is 0.
    """

    question = "Is there a noise that leads back to the picture?"

    n: int = fields.N.field(default=fields.MAX_N)
    seeds: tuple[int, ...] = fields.SEEDS.field(default=(0, 1, 2, 3))
    steps: int = fields.STEPS.field(default=50)
    methods: tuple[str, ...] = METHODS.field()
    warm: float = WARM.field()
    other: str = fields.OTHER.field(default="")

    def check(self) -> None:
        """Refuse n = 0."""
        check_noise(self, "there is no code of it")
