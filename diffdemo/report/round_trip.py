"""What there is to say of a RoundTrip."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffdemo import sheets
from diffdemo.lab import RoundTripResult
from diffdemo.noise import noise
from diffdemo.report.pictures import attributes, tile, uris
from diffdemo.schedule import Schedule
from diffdemo.sheets import Still, Tile, TileRow
from diffdemo.terms import counted

RETURNS = "came_back, rmse and kept by seed, and all pictures"  # over the API
SHOWN = 8  # seeds in a film
UP = 8  # stills on the way up


def sentence(result: RoundTripResult) -> str:
    """The result in plain words, with its numbers."""
    e, count, back = result.experiment, len(result.x_n), int(result.came_back.sum())
    if e.n == 0:
        return "No noise was added, so the picture is untouched: every seed gives back the very same pixels."
    noises = counted(count, "noise")
    what = f"Of {noises} of {counted(e.n, 'step')}, {back} brought your picture back"
    if e.start == "noise":
        what = f"Of {noises} with no picture in them at all, {back} led to your picture"
    if result.kept is None:
        return f"{what}; the average distance to it is {_share(result)} of that between unrelated pictures."
    if result.attributes == 1:
        return f"{what}; {int(result.kept.sum())} still show the same digit."
    return f"{what}; on average {float(result.kept.mean()) * result.attributes:.1f} of its {result.attributes} visible attributes survived."


def _share(result: RoundTripResult) -> str:
    return f"{100 * float(result.rmse.mean()) / result.unrelated:.0f} %"


def note(result: RoundTripResult) -> str:
    """The settings in small print."""
    e = result.experiment
    how = "deterministic" if e.eta == 0 else f"eta {e.eta:g}"
    calls = min(e.n, e.steps)
    setting = f"Model {e.model} {e.revision}, {counted(calls, 'network call')}, {e.solver}, {how}, {result.seconds:.1f} s."
    return f"{setting} Mean RMSE {float(result.rmse.mean()):.3f}, unrelated pictures {result.unrelated:.3f}."


def as_json(result: RoundTripResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, numbers by seed, pictures as data URIs."""
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "seeds": list(result.experiment.seeds),
        "came_back": result.came_back.tolist(), "rmse": result.rmse.tolist(), "unrelated_rmse": result.unrelated,
        "kept": None if result.kept is None else result.kept.tolist(), "attributes": result.attributes, "seconds": result.seconds,
        "x0": uris(result.x0)[0], "x_n": uris(result.x_n), "reconstructions": uris(result.reconstructions),
    }  # fmt: skip


def table(result: RoundTripResult) -> list[dict[str, Any]]:
    """One row a seed."""
    e, kept = result.experiment, result.kept
    return [
        {"seed": seed, "n": e.n, "came_back": bool(result.came_back[row]), "rmse": float(result.rmse[row]),
         "kept": None if kept is None else float(kept[row]), "attributes": result.attributes}
        for row, seed in enumerate(e.seeds)
    ]  # fmt: skip


def tiles(result: RoundTripResult) -> list[TileRow]:
    """The picture, and for each seed x_n beside what it leads back to."""
    e, first = result.experiment, TileRow("the picture", (tile("x0", "", result.x0),))
    noisy = f"n = {e.n}" if e.start == "picture" else "pure noise"
    return [first, *(
        TileRow(f"seed {seed}", (tile(f"seed-{seed}-x_n", noisy, result.x_n[row]), _back(result, row)))
        for row, seed in enumerate(e.seeds)
    )]  # fmt: skip


def _back(result: RoundTripResult, row: int) -> Tile:
    label = attributes(result.kept, row, result.attributes) or f"RMSE {float(result.rmse[row]):.2f}"
    return tile(f"seed-{result.experiment.seeds[row]}-reconstruction", label, result.reconstructions[row], bool(result.came_back[row]))


def film(result: RoundTripResult, schedule: Schedule) -> list[np.ndarray]:
    """Up: the picture drowns in noise; down: each x above the estimate x0_hat; last each x_n above what came back. The picture stands beside them."""
    e, rows, path, T = result.experiment, range(min(SHOWN, len(result.x_n))), result.path, schedule.T
    some = f"; {len(rows)} of {len(result.x_n)} shown" if len(rows) < len(result.x_n) else ""
    x0 = tile("x0", "the picture", result.x0)

    def still(n: int, text: str, rising: bool | None, x: Tensor, under: Callable[[int], Tile]) -> Still:
        above = (tile("x", f"seed {e.seeds[row]}", x[row]) for row in rows)
        return Still((*above, *(under(row) for row in rows)), f"{text}{some}", n / T, rising, x0)

    stills = [still(n, f"n = {n}, noise is added", True, x, lambda row: x0) for n, x in _noising(result, schedule, len(rows))]
    for n, x, x0_hat in zip(path.levels[:, 0].tolist(), path.x, path.x0_hat, strict=True):
        guesses = [tile("x0_hat", "estimate", x0_hat[row]) for row in rows]
        stills.append(still(n, f"n = {n}, noise is taken away", False, x, guesses.__getitem__))
    way = "from pure noise" if e.start == "noise" else f"{counted(e.n, 'step')} of noise, and back"
    back = f"{way}: {int(result.came_back.sum())} of {len(result.x_n)} came back"
    stills.append(still(0, back, None, result.x_n, lambda row: _back(result, row)))
    return sheets.film(stills, columns=len(rows), ends=("0", str(T)))


def _noising(result: RoundTripResult, schedule: Schedule, count: int) -> list[tuple[int, Tensor]]:
    """Levels rising to n, and the first `count` rows of the picture with the very noise of its x_n at each; none where no picture was noised."""
    e = result.experiment
    if e.start == "noise" or e.n == 0:
        return []
    x_n = result.x_n[:count]
    eps, clean = noise(e.seeds[:count], x_n.shape[1:]), result.x0
    if clean.shape[1:] != x_n.shape[1:]:  # the code of the picture is not kept, but x_n and its noise tell it
        clean = schedule.x0_from_eps(x_n, eps, torch.full((count,), e.n))
    levels = sorted({round(n) for n in np.linspace(0, e.n, UP)})
    return [(n, schedule.add_noise(clean, eps, n) if n < e.n else x_n) for n in levels]
