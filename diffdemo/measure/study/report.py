"""The means of a finished study, level by level."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffdemo.diffusion.crossing import crossing
from diffdemo.measure.samples import number
from diffdemo.measure.study import Study
from diffdemo.report.markdown import table


@dataclass(frozen=True)
class Mean:
    """Means over the rows of one level; None where nothing is known."""

    n: int
    rows: int
    came_back: float
    kept: float | None
    rmse: float
    bits_known: float | None


def means(path: Path) -> list[Mean]:
    """Return the means of a finished study.csv at each level, from the lowest."""
    levels: dict[int, list[dict[str, str]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            levels.setdefault(int(row["n"]), []).append(row)
    return [_mean(n, rows) for n, rows in sorted(levels.items())]


def _mean(n: int, rows: list[dict[str, str]]) -> Mean:
    def mean(name: str) -> float | None:
        values = [float(row[name]) for row in rows if row[name]]
        return sum(values) / len(values) if values else None

    came_back = mean("came_back") or 0.0
    return Mean(n, len(rows), came_back, mean("kept"), mean("rmse") or 0.0, mean("bits_known"))


def report(settings: Study, found: Sequence[Mean]) -> list[str]:
    """Write the means as Markdown: a line that sums up, then a table by level."""
    levels = [mean.n for mean in found]
    half = crossing(levels, [mean.came_back for mean in found], 0.5)
    where = "the share that came back falls through one half at no level in between"
    if half is not None:
        where = f"half came back at n = {half:.0f}"
    size = f"{settings.rows:,} rows, {settings.grid}"
    sampler = f"{settings.steps} steps, eta {settings.eta:g}"
    rows = [
        (
            mean.n,
            f"{mean.came_back:.1%}",
            number(mean.kept, ".1%"),
            f"{mean.rmse:.3f}",
            number(mean.bits_known, ".2f"),
        )
        for mean in found
    ]
    return [
        f"{settings.model}: {size}, {sampler}: {where}.",
        "",
        *table(["n", "came back", "kept", "RMSE", "bits known"], rows),
    ]
