"""What the tab "Where paths split" shows of its experiment, as plain data."""

from typing import Any

from diffdemo.experiment import Branch
from diffdemo.lab import BranchResult, Progress, crossing
from diffdemo.ui.views import uris


def sentence(result: BranchResult) -> str:
    """What futures from the first and the last point share, and where half of the way is, in plain words with numbers."""
    levels, count = result.path.levels.tolist(), len(result.seeds)
    first, last = _alike(result, 0), _alike(result, len(levels) - 1)
    if result.kept is None:
        return f"From n = {levels[0]}, {count} futures are {first}; from n = {levels[-1]}, {last}."
    chance = f"unrelated pictures: {100 * result.chance:.0f} %"
    if result.attributes == 1:
        text = f"From n = {levels[0]}, {first} of the pairs among {count} futures show the same digit ({chance})"
    else:
        text = f"From n = {levels[0]}, {count} futures share {first} of their attributes ({chance})"
    text += f"; from n = {levels[-1]}, {last}"
    half = crossing(levels[::-1], result.kept.tolist()[::-1], (1 + result.chance) / 2)
    return f"{text}; half of that way is passed at n = {half:.0f}." if half else f"{text}."


def _alike(result: BranchResult, point: int) -> str:
    if result.kept is None:
        return f"{100 * float(result.diversity[point]) / result.unrelated:.0f} % as far apart as unrelated pictures"
    return f"{100 * float(result.kept[point]):.0f} %"


def note(result: BranchResult) -> str:
    """The settings in small print."""
    e = result.experiment
    jump = f", climbing back {e.jump} steps each time" if e.jump else ""
    rows = f"{len(result.path.levels)} points x {len(result.seeds)} futures"
    return (
        f"Model {e.model} {e.revision}, {rows} in one batch, {e.steps} steps, eta 1{jump}, path from seed {e.seed}, float32, {result.seconds:.1f} s."
    )


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
         "text": _alike(result, k) if result.kept is not None else ""}
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


def as_json(result: BranchResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, the path, its futures and what they share by point."""
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "levels": result.path.levels.tolist(), "path": uris(result.path.x),
        "end": uris(result.path.end)[0], "futures": [uris(row) for row in result.futures], "seeds": list(result.seeds),
        "kept": None if result.kept is None else result.kept.tolist(), "chance": result.chance, "diversity": result.diversity.tolist(),
        "unrelated_rmse": result.unrelated, "calls": result.calls, "seconds": result.seconds,
    }  # fmt: skip
