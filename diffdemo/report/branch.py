"""What there is to say of a Branch."""

from typing import Any

import numpy as np

from diffdemo import metrics, sheets
from diffdemo.lab import BranchResult, crossing
from diffdemo.report.pictures import tile, uris
from diffdemo.schedule import Schedule
from diffdemo.sheets import Still, Tile, TileRow
from diffdemo.terms import counted

RETURNS = "the path, the futures by point, and their diversity and shared attributes by point"  # over the API
SHOWN = 14  # futures in a film


def sentence(result: BranchResult) -> str:
    """What futures from the first and the last point share, and where half of the way is, in plain words with numbers."""
    levels, count = result.path.levels.tolist(), len(result.seeds)
    first, last = alike(result, 0), alike(result, len(levels) - 1)
    if result.kept is None or result.chance is None:
        return f"From n = {levels[0]}, {count} futures are {first}; from n = {levels[-1]}, {last}."
    chance = f"unrelated pictures: {100 * result.chance:.0f} %"
    if result.attributes == 1:
        text = f"From n = {levels[0]}, {first} of the pairs among {count} futures show the same digit ({chance})"
    else:
        text = f"From n = {levels[0]}, {count} futures share {first} of their attributes ({chance})"
    text += f"; from n = {levels[-1]}, {last}"
    half = crossing(levels[::-1], result.kept.tolist()[::-1], (1 + result.chance) / 2)
    return f"{text}; half of that way is passed at n = {half:.0f}." if half else f"{text}."


def alike(result: BranchResult, point: int) -> str:
    """What the futures of one point still share, as a percentage; without a reader, how far apart they are."""
    if result.kept is None:
        return f"{100 * float(result.diversity[point]) / result.unrelated:.0f} % as far apart as unrelated pictures"
    return f"{100 * float(result.kept[point]):.0f} %"


def note(result: BranchResult) -> str:
    """The settings in small print."""
    e = result.experiment
    jump = f", climbing back {counted(e.jump, 'step')} each time" if e.jump else ""
    rows = f"{counted(len(result.path.levels), 'point')} x {counted(len(result.seeds), 'future')}"
    how = f"{counted(e.steps, 'step')}, eta 1{jump}, path from seed {e.seed}"
    return f"Model {e.model} {e.revision}, {rows} in one batch, {how}, {result.seconds:.1f} s."


def as_json(result: BranchResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, the path, its futures and what they share by point."""
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "levels": result.path.levels.tolist(), "path": uris(result.path.x),
        "end": uris(result.path.end)[0], "futures": [uris(row) for row in result.futures], "seeds": list(result.seeds),
        "kept": None if result.kept is None else result.kept.tolist(), "chance": result.chance, "diversity": result.diversity.tolist(),
        "unrelated_rmse": result.unrelated, "calls": result.calls, "seconds": result.seconds,
    }  # fmt: skip


def table(result: BranchResult) -> list[dict[str, Any]]:
    """One row a point and future; kept and diversity are of all futures of the point, rmse_to_end is from the end of the path itself."""
    kept, rows = result.kept, []
    for k, n in enumerate(result.path.levels.tolist()):
        apart = metrics.rmse(result.path.end, result.futures[k]).tolist()
        shared = {"kept": None if kept is None else float(kept[k]), "diversity": float(result.diversity[k])}
        rows += [{"n": n, "seed": seed, "rmse_to_end": far, **shared} for seed, far in zip(result.seeds, apart, strict=True)]
    return rows


def tiles(result: BranchResult) -> list[TileRow]:
    """The picture and the end of the path, and for each point of the path its state, the estimate, and its futures."""
    first = TileRow("", (tile("x0", "the picture", result.x0), tile("end", "the path's end", result.path.end)))
    return [first, *(TileRow(f"n = {n}", tuple(_point(result, k))) for k, n in enumerate(result.path.levels.tolist()))]


def _point(result: BranchResult, k: int) -> list[Tile]:
    n, path = int(result.path.levels[k]), result.path
    futures = (tile(f"n-{n}-seed-{seed}", f"seed {seed}", x) for seed, x in zip(result.seeds, result.futures[k], strict=True))
    return [tile(f"n-{n}-path", "the path", path.x[k]), tile(f"n-{n}-estimate", "estimate", path.x0_hat[k]), *futures]


def film(result: BranchResult, schedule: Schedule) -> list[np.ndarray]:
    """The path down: at each point its state, the estimate, and what became of the futures that left it there; last the path's own end."""
    count, points = 2 + min(SHOWN, len(result.seeds)), result.path.levels.tolist()
    stills = []
    for k, n in enumerate(points):
        shared = f", futures share {alike(result, k)}" if result.kept is not None else f", {len(result.seeds)} futures"
        stills.append(Still(tuple(_point(result, k)[:count]), f"n = {n}{shared}", n / schedule.T, False))
    ends = (tile("end", "the path's end", result.path.end), tile("x0", "the picture", result.x0))
    stills.append(Still((*ends, *_point(result, len(points) - 1)[2:count]), "n = 0, where the path ends", 0.0))
    return sheets.film(stills, columns=min(4, count), ends=("0", str(schedule.T)))
