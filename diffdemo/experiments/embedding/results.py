"""What an Embedding found."""

from dataclasses import dataclass

from torch import Tensor

from diffdemo.diffusion.gaussianity import Band
from diffdemo.diffusion.kept_paths import PathStatistics
from diffdemo.experiments.embedding import Embedding

Errors = tuple[tuple[int, ...], tuple[float, ...]]  # steps, and RMSE with so many steps


@dataclass(frozen=True, eq=False)
class Code:
    """What one method found; B rows, one a seed, or a single one where nothing is drawn.

    Attributes:
        method: a member of CODES.
        x_n: (B, C, H, W), the code, in model space.
        z: (K, B, C, H, W), the path that is kept with it; None where x_n is the whole code.
        reconstructions: (B, C, H, W), what it leads back to, in pixels.
        rmse, largest: (B,) error of the round trip, and that of the worst value, in model space;
            for pixels on the [-1, 1] scale.
        came_back: (B,) bool, as of a round trip.
        calls: network calls of a row, there and back.
        residual: largest change of a last fixed-point iteration; None where nothing is iterated.
        statistics: (B,) float64 by name, see `gaussianity`.
        gaussian: (B,) bool, all statistics pass as those of noise.
    """

    method: str
    x_n: Tensor
    z: Tensor | None
    reconstructions: Tensor
    rmse: Tensor
    largest: Tensor
    came_back: Tensor
    calls: float
    residual: float | None
    statistics: dict[str, Tensor]
    gaussian: Tensor


@dataclass(frozen=True, eq=False)
class Swap:
    """What the codes of two pictures carry. Pictures are in pixels, compared in model space.

    Attributes:
        other: (1, C, H, W), picture B.
        seed: of the noise in B's x_n.
        replays: method → (1, C, H, W), what A's kept path makes of B's x_n.
        to_a, to_b: method → RMSE of it to A and to B.
        shares: of B in the mixtures.
        mixtures: (M, C, H, W), what spherical mixtures of the two DDIM codes lead to.
    """

    other: Tensor
    seed: int
    replays: dict[str, Tensor]
    to_a: dict[str, float]
    to_b: dict[str, float]
    shares: tuple[float, ...]
    mixtures: Tensor


@dataclass(frozen=True, eq=False)
class EmbeddingResult:
    """What an Embedding found. Clean pictures are in pixels, codes in model space.

    Attributes:
        experiment: what was run, with the revision of the weights.
        x0: (1, C, H, W).
        codes: by method, in the order of the experiment.
        bands: by statistic, where those of true noise lie.
        own: (B,) correlation of each random x_n with the picture that it leads to; None without
            random codes.
        errors_by_steps: "ddim" and "fixed-point" → round-trip error with so many steps.
        paths: statistics of the z of each encoder.
        swap: what the codes carry; None without a second picture.
        seconds: how long it took.
    """

    experiment: Embedding
    x0: Tensor
    codes: dict[str, Code]
    bands: dict[str, Band]
    own: Tensor | None
    errors_by_steps: dict[str, Errors]
    paths: dict[str, PathStatistics]
    swap: Swap | None
    seconds: float
