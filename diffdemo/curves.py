"""Curves over n averaged over many pictures: what `python -m diffdemo curves` writes as CSV and PNG."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from diffdemo.errors import DiffdemoError
from diffdemo.experiment import Curve
from diffdemo.figures import Chart, Line
from diffdemo.lab import CurveResult, crossing, run
from diffdemo.models import Model

COLUMNS = ("picture", "n", "seed", "bits_known", "p_true", "kept", "came_back", "rmse")


@dataclass(frozen=True)
class Summary:
    """Curves of several pictures put together; every array has one entry a level.

    Attributes:
        levels: of n.
        bits: mean bits known. kept, came_back, rmse: means over pictures and seeds, rmse as a share of that between unrelated pictures.
        low, high: the 10th and 90th percentile of kept; None where only one attribute can be kept or not.
        total: bits in all. chance: share kept by an unrelated picture. speciation: see `posterior.speciation`.
    """

    levels: tuple[int, ...]
    bits: np.ndarray
    kept: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    came_back: np.ndarray
    rmse: np.ndarray
    total: float
    chance: float
    speciation: float

    @property
    def halves(self) -> dict[str, float | None]:
        """The n at which half of the bits are gone, at which survival has fallen half-way to chance, and at which half no longer come back."""
        return {
            "half of the bits": crossing(self.levels, self.bits, self.total / 2),
            "survival half-way to chance": crossing(self.levels, self.kept, (1 + self.chance) / 2),
            "half come back": crossing(self.levels, self.came_back, 0.5),
        }


def measure(model: Model, pictures: Sequence[str], like: Curve) -> Iterator[CurveResult]:
    """Run one curve a picture, with the settings of `like`.

    Raises:
        DiffdemoError: nothing can be read from a picture, so nothing can be said to be kept.
    """
    for picture in pictures:
        result = run(replace(like, model=model.name, picture=picture), model)
        if result.kept is None:
            raise DiffdemoError(f"Nothing can be read from the picture {picture[:40]}, so a curve cannot say what is kept; face: and digit: can be.")
        yield result


def summary(results: Sequence[CurveResult]) -> Summary:
    """The mean of curves over the same levels, of pictures whose attributes can be read."""

    def table(name: str) -> np.ndarray:
        return np.concatenate([np.asarray(getattr(result, name), dtype=float) for result in results], axis=1)  # (L, pictures x S)

    kept, first = table("kept"), results[0]
    low, high = (None, None) if first.attributes == 1 else np.quantile(kept, (0.1, 0.9), axis=1)
    return Summary(
        levels=first.experiment.levels, bits=table("bits_known").mean(1), kept=kept.mean(1), low=low, high=high,
        came_back=table("came_back").mean(1), rmse=table("rmse").mean(1) / first.unrelated, total=float(first.bits or 0),
        chance=float(np.mean([result.chance for result in results])), speciation=float(first.speciation or 0),
    )  # fmt: skip


def write_csv(results: Sequence[CurveResult], path: Path) -> None:
    """One line for every picture, level and seed."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for result in results:
            e = result.experiment
            tables = [getattr(result, name) for name in COLUMNS[3:]]
            for i, n in enumerate(e.levels):
                for j, seed in enumerate(e.seeds):
                    numbers = ["" if t is None else f"{float(t[i, j]):.6g}" for t in tables]
                    writer.writerow([e.picture, n, seed, *numbers])


def chart(s: Summary, title: str) -> Chart:
    """The summary as a chart: shares on the left axis, bits on the right one."""
    lines = (
        Line(f"bits known, of {s.total:.1f} (exact)", s.bits / s.total, "#1d2733"),
        Line("still the same digit" if s.low is None else "attributes kept, mean and middle 80 %", s.kept, "#7a4fa3", low=s.low, high=s.high),
        Line("came back", s.came_back, "#0b766f"),
        Line("RMSE / that between unrelated", s.rmse, "#8a94a0", dashed=True),
    )
    highest = 1.0 if max(s.rmse) <= 1.01 else 1.2
    return Chart(
        title=title, x_label="noise steps n", y_label="share", x=np.array(s.levels), lines=lines, y_range=(0.0, highest),
        levels=((f"chance {s.chance:.0%}", s.chance),), marks=((f"speciation {s.speciation:.0f}", s.speciation),), right=("bits", s.total),
    )  # fmt: skip
