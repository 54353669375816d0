"""What there is to say of a Curve."""

from typing import Any

import numpy as np
from torch import Tensor

from diffdemo import sheets
from diffdemo.lab import CurveResult, crossing
from diffdemo.report.pictures import attributes, tile, uris
from diffdemo.schedule import Schedule
from diffdemo.sheets import Still, Tile, TileRow
from diffdemo.terms import counted

RETURNS = "came_back, kept, rmse, bits_known and p_true (levels x seeds), and the reconstructions"  # over the API
SHOWN = 8  # seeds in a film


def sentence(result: CurveResult) -> str:
    """Where half of what was known is gone, and where the picture changes, in plain words with numbers."""
    levels, parts = result.experiment.levels, []
    known, bits, kept, chance = result.bits_known, result.bits, result.kept, result.chance
    if known is not None and bits is not None and (half := crossing(levels, means(known), bits / 2)) is not None:
        parts.append(f"half of the {bits:.1f} bits that single this picture out are gone at n = {half:.0f}")
    if (turn := crossing(levels, means(result.came_back), 0.5)) is not None:
        parts.append(f"from n = {turn:.0f} on fewer than half of the noises bring it back")
    if kept is not None and chance is not None and (fall := crossing(levels, means(kept), (1 + chance) / 2)) is not None:
        parts.append(f"the digit changes at n = {fall:.0f}" if result.attributes == 1 else f"half of what shows in it is lost at n = {fall:.0f}")
    text = "; ".join(parts) or "nothing is lost between the levels asked for"
    return f"{text[0].upper()}{text[1:]}."


def note(result: CurveResult) -> str:
    """The settings in small print."""
    e = result.experiment
    how = "deterministic" if e.eta == 0 else f"eta {e.eta:g}"
    rows = f"{counted(len(e.levels), 'level')} x {counted(len(e.seeds), 'seed')} in one batch, at most {counted(e.steps, 'network call')} each"
    return f"Model {e.model} {e.revision}, {rows}, {e.solver}, {how}, {result.seconds:.1f} s."


def means(table: Tensor) -> list[float]:
    """(L, S) → L means over the seeds."""
    return table.double().mean(1).tolist()


def by_seed(x: Tensor) -> list[list[str]]:
    """(L, S, C, H, W) → a row of data URIs for each seed."""
    L, S = x.shape[:2]
    flat = uris(x.flatten(0, 1))
    return [[flat[level * S + seed] for level in range(L)] for seed in range(S)]


def as_json(result: CurveResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, numbers by level and seed, the reconstructions by seed."""
    tables = {"came_back": result.came_back, "kept": result.kept, "rmse": result.rmse, "bits_known": result.bits_known, "p_true": result.p_true}
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "levels": list(result.experiment.levels),
        "seeds": list(result.experiment.seeds), **{name: None if table is None else table.tolist() for name, table in tables.items()},
        "bits": result.bits, "chance": result.chance, "unrelated_rmse": result.unrelated, "speciation": result.speciation,
        "attributes": result.attributes, "reconstructions": by_seed(result.reconstructions), "seconds": result.seconds,
    }  # fmt: skip


def table(result: CurveResult) -> list[dict[str, Any]]:
    """One row a level and seed."""
    numbers = {"rmse": result.rmse, "kept": result.kept, "bits_known": result.bits_known, "p_true": result.p_true}
    return [
        {"n": n, "seed": seed, "came_back": bool(result.came_back[i, j]),
         **{name: None if values is None else float(values[i, j]) for name, values in numbers.items()}}
        for i, n in enumerate(result.experiment.levels) for j, seed in enumerate(result.experiment.seeds)
    ]  # fmt: skip


def tiles(result: CurveResult) -> list[TileRow]:
    """The picture, and for each seed a row of x_n over n and a row of what they lead back to."""
    e, rows = result.experiment, [TileRow("the picture", (tile("x0", "", result.x0),))]
    for j, seed in enumerate(e.seeds):
        noisy = tuple(tile(f"seed-{seed}-n-{n}-x_n", f"n = {n}", result.x_n[i, j]) for i, n in enumerate(e.levels))
        backs = tuple(_back(result, i, j, f"n = {n}") for i, n in enumerate(e.levels))
        rows += [TileRow(f"seed {seed}, x_n", noisy), TileRow(f"seed {seed}, back", backs)]
    return rows


def _back(result: CurveResult, i: int, j: int, label: str) -> Tile:
    name = f"seed-{result.experiment.seeds[j]}-n-{result.experiment.levels[i]}-reconstruction"
    return tile(name, label, result.reconstructions[i, j], bool(result.came_back[i, j]))


def film(result: CurveResult, schedule: Schedule) -> list[np.ndarray]:
    """One still a level: the picture, beside it the x_n of each seed, and under each what it leads back to."""
    e = result.experiment
    count = min(SHOWN, len(e.seeds))
    some = f"; {count} of {len(e.seeds)} shown" if count < len(e.seeds) else ""
    x0 = tile("x0", "the picture", result.x0)

    def still(i: int, n: int) -> Still:
        noisy = (tile("x_n", f"seed {e.seeds[j]}", result.x_n[i, j]) for j in range(count))
        backs = (_back(result, i, j, attributes(result.kept, (i, j), result.attributes)) for j in range(count))
        text = f"{counted(n, 'step')} of noise, and back: {int(result.came_back[i].sum())} of {len(e.seeds)} came back{some}"
        return Still((*noisy, *backs), text, n / schedule.T, beside=x0)

    return sheets.film([still(i, n) for i, n in enumerate(e.levels)], columns=count, ends=("0", str(schedule.T)))
