"""What the tab "Where paths split" shows of its experiment, as plain data."""

from typing import Any

from diffdemo.experiment import Branch
from diffdemo.lab import BranchResult, Progress
from diffdemo.report.branch import alike
from diffdemo.report.pictures import uris


def partial_tree(progress: Progress, e: Branch) -> dict[str, Any] | None:
    """The tiles while the network works; nothing before the path is down."""
    if len(progress.x0_hat) == 1 and e.futures > 1:
        return None
    guesses = uris(progress.x0_hat)
    rows = [guesses[k : k + e.futures] for k in range(0, len(guesses), e.futures)]
    return {"rows": [{"label": "", "tiles": [{"src": src, "alt": "estimate so far"} for src in row]} for row in rows]}


def tree(result: BranchResult) -> dict[str, Any]:
    """Rows of branching points with their futures, the path of each, and the curves of what futures share."""
    path, levels = result.path, result.path.levels.tolist()
    states, guesses = uris(path.x), uris(path.x0_hat)
    rows = [
        {"n": n, "label": f"n = {n}", "x": states[k], "x0_hat": guesses[k], "tiles": _tiles(result, k), "share": _share(result, k),
         "text": alike(result, k) if result.kept is not None else ""}
        for k, n in enumerate(levels)
    ]  # fmt: skip
    lines = [{"key": "rmse", "label": "RMSE between futures, as a share of that between unrelated pictures", "dashed": True,
              "points": list(zip(levels, (result.diversity / result.unrelated).tolist(), strict=True))}]  # fmt: skip
    if result.kept is not None:
        what = (
            "share of attributes that two futures have in common" if result.attributes > 1 else "share of pairs of futures that show the same digit"
        )
        lines.insert(0, {"key": "kept", "label": what, "points": list(zip(levels, result.kept.tolist(), strict=True))})
    return {
        "rows": rows,
        "end": {"src": uris(path.end)[0], "alt": "where the path itself ends"},
        "lines": lines,
        "chance": result.chance,
        "T": levels[0],
    }


def _share(result: BranchResult, point: int) -> float:
    """0..1 how far decided: attributes shared, or without a reader how near the futures are."""
    return float(result.kept[point]) if result.kept is not None else max(0.0, 1 - float(result.diversity[point]) / result.unrelated)


def _tiles(result: BranchResult, point: int) -> list[dict[str, Any]]:
    n, frames, tiles = int(result.path.levels[point]), result.frames, []
    for future, (seed, src) in enumerate(zip(result.seeds, uris(result.futures[point]), strict=True)):
        states, guesses = (uris(x[:, point, future], largest=48) for x in (frames.x, frames.x0_hat))
        way = [{"n": int(level), "x": x, "x0_hat": guess} for level, x, guess in zip(frames.levels[:, point, future], states, guesses, strict=True)]
        distinct = [step for k, step in enumerate(way) if k == 0 or step["n"] != way[k - 1]["n"]]
        tiles.append({"src": src, "seed": seed, "alt": f"from n = {n}, future with seed {seed}", "frames": distinct})
    return tiles
