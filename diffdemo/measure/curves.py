"""Curves over n, averaged over many pictures, as CSV and as a chart."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from diffdemo.diffusion.crossing import crossing
from diffdemo.errors import DiffdemoError
from diffdemo.experiments import Curve
from diffdemo.experiments.curve.run import CurveResult
from diffdemo.lab import run
from diffdemo.measure.charts import PURPLE, Chart, Line
from diffdemo.models import Model
from diffdemo.report import colours

COLUMNS = ("picture", "n", "seed", "bits_known", "p_true", "kept", "came_back", "rmse")


@dataclass(frozen=True)
class Summary:
    """Curves of several pictures put together; each array has one value a level.

    Attributes:
        levels: of n.
        bits: mean bits known.
        kept: mean share of the attributes kept.
        low, high: the 10th and 90th percentile of that; None where a picture has one attribute.
        came_back: share that came back.
        rmse: mean RMSE, as a share of that between unrelated pictures.
        total: all the bits there are to know.
        chance: share of the attributes that an unrelated picture keeps.
        speciation: see `posterior.speciation`.
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
        """The n at which each curve has fallen half-way."""
        half_way_to_chance = (1 + self.chance) / 2
        return {
            "half of the bits": crossing(self.levels, self.bits, self.total / 2),
            "survival half-way to chance": crossing(self.levels, self.kept, half_way_to_chance),
            "half come back": crossing(self.levels, self.came_back, 0.5),
        }


def measure(model: Model, pictures: Sequence[str], settings: Curve) -> Iterator[CurveResult]:
    """Run one curve a picture, with the same settings.

    Raises:
        DiffdemoError: nothing can be read from a picture, so nobody can say what is kept.
    """
    for picture in pictures:
        result = run(replace(settings, model=model.name, picture=picture), model)
        if result.kept is None:
            raise DiffdemoError(
                f"Nothing can be read from the picture {picture[:40]}, so a curve cannot say what "
                "is kept; face: and digit: can be read."
            )
        yield result


def summary(results: Sequence[CurveResult]) -> Summary:
    """Return the mean of curves over the same levels, of pictures that can be read."""
    first = results[0]
    kept = _joined(results, "kept")
    several = first.attributes > 1
    low, high = np.quantile(kept, (0.1, 0.9), axis=1) if several else (None, None)
    return Summary(
        levels=first.experiment.levels,
        bits=_joined(results, "bits_known").mean(1),
        kept=kept.mean(1),
        low=low,
        high=high,
        came_back=_joined(results, "came_back").mean(1),
        rmse=_joined(results, "rmse").mean(1) / first.unrelated,
        total=float(first.bits or 0),
        chance=float(np.mean([result.chance for result in results])),
        speciation=float(first.speciation or 0),
    )


def _joined(results: Sequence[CurveResult], name: str) -> np.ndarray:
    """Put the (L, S) tables of P results side by side: (L, P S)."""
    tables = [np.asarray(getattr(result, name), dtype=float) for result in results]
    return np.concatenate(tables, axis=1)


def write_csv(results: Sequence[CurveResult], path: Path) -> None:
    """Write one line for each picture, level and seed."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for result in results:
            e = result.experiment
            tables = [getattr(result, name) for name in COLUMNS[3:]]
            for i, n in enumerate(e.levels):
                for j, seed in enumerate(e.seeds):
                    cells = ["" if t is None else f"{float(t[i, j]):.6g}" for t in tables]
                    writer.writerow([e.picture, n, seed, *cells])


def chart(s: Summary, title: str) -> Chart:
    """Draw up the summary as a chart: shares on the left axis, bits on the right one."""
    one = "still the same digit"
    many = "attributes kept, mean and middle 80 %"
    lines = (
        Line(f"bits known, of {s.total:.1f} (exact)", s.bits / s.total, colours.INK),
        Line(one if s.low is None else many, s.kept, PURPLE, low=s.low, high=s.high),
        Line("came back", s.came_back, colours.CAME_BACK),
        Line("RMSE / that between unrelated", s.rmse, colours.LINE, dashed=True),
    )
    return Chart(
        title=title,
        x_label="noise steps n",
        y_label="share",
        x=np.array(s.levels),
        lines=lines,
        top=1.0 if max(s.rmse) <= 1.01 else 1.2,
        level=(f"chance {s.chance:.0%}", s.chance),
        mark=(f"speciation {s.speciation:.0f}", s.speciation),
        right=("bits", s.total),
    )
