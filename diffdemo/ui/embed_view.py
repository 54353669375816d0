"""What the tab "Is x_T an embedding?" shows of its experiment, as plain data."""

from typing import Any

from diffdemo.lab import Code, EmbeddingResult
from diffdemo.report.embed import EXACT, NAMES
from diffdemo.report.pictures import uris, words

LABELS = {
    "mean": "mean",
    "variance": "variance",
    "kurtosis": "excess kurtosis",
    "neighbours": "correlation of neighbouring pixels",
    "distance": "KS distance to N(0, 1)",
    "picture": "correlation with the picture",
}


def columns(result: EmbeddingResult) -> dict[str, Any]:
    """Everything the tab draws: a column a method, the table of statistics, two charts and the swap test."""
    picture = {"src": uris(result.x0)[0], "alt": words(result.experiment.picture)}
    return {
        "picture": picture, "columns": [_column(result, code) for code in result.codes.values()], "table": _table(result),
        "errors": _errors(result), "paths": _paths(result), "swap": _swap(result, picture), "n": result.experiment.n,
    }  # fmt: skip


def _column(result: EmbeddingResult, code: Code) -> dict[str, Any]:
    name, about = NAMES[code.method]
    codes, backs, seeds = uris(code.x_n), uris(code.reconstructions), result.experiment.seeds
    rows = []
    for row, (x_n, end) in enumerate(zip(codes, backs, strict=True)):
        what = f"{name}, seed {seeds[row]}" if len(codes) > 1 else name
        error = f"RMSE {float(code.rmse[row]):.2g}, worst pixel {float(code.largest[row]):.2g}"
        rows.append({
            "x_n": x_n, "back": end, "came_back": bool(code.came_back[row]), "x_n_alt": f"{what}, the code x_n",
            "back_alt": f"{what}, what it leads back to, {error}", "label": f"seed {seeds[row]}" if len(codes) > 1 else "",
        })  # fmt: skip
    back, count = int(code.came_back.sum()), len(code.x_n)
    exact = bool((code.largest < EXACT).all())
    how = "exactly" if exact else "nearly" if back == count else ""
    verdict = f"✓ comes back {how}" if back == count else f"≠ {back} of {count} come back"
    facts = [
        ("RMSE", f"{float(code.rmse.mean()):.2g}"),
        ("worst pixel", f"{float(code.largest.max()):.2g}"),
        ("network calls", f"{code.calls:.0f}"),
        ("like noise", "yes" if bool(code.gaussian.all()) else f"{int(code.gaussian.sum())} of {count}" if count > 1 else "no"),
    ]
    if code.residual is not None:
        facts.append(("residual", f"{code.residual:.1g}"))
    return {
        "method": code.method, "name": name, "about": about, "rows": rows, "back": back == count, "verdict": verdict,
        "facts": [{"term": term, "value": value} for term, value in facts],
    }  # fmt: skip


def _table(result: EmbeddingResult) -> dict[str, Any]:
    """Each statistic of each method, the mean over its rows, with the band of true noise and on which side it lies outside."""
    rows = []
    for statistic, band in result.bands.items():
        cells = []
        for code in result.codes.values():
            value = float(code.statistics[statistic].mean())
            side = "above" if value > band.high else "below" if value < band.low else ""
            cells.append({"text": f"{value:.3f}", "side": side})
        rows.append({"label": LABELS[statistic], "expected": f"{band.expected:.2f}".replace("-0.00", "0.00"), "cells": cells,
                     "band": f"{band.low:.2f} to {band.high:.2f}"})  # fmt: skip
    own = None
    if result.own is not None:
        by = float(result.own.mean())
        own = f"True noise and the picture it leads to itself correlate too, by {by:.2f} here: some correlation is no sign of a bad code."
    return {"columns": [NAMES[method][0] for method in result.codes], "rows": rows, "own": own}


def _errors(result: EmbeddingResult) -> dict[str, Any] | None:
    """Round-trip error against steps."""
    series = [
        {"key": method, "label": NAMES[method][0], "points": list(zip(steps, errors, strict=True))}
        for method, (steps, errors) in result.errors_by_steps.items()
    ]
    return {"series": series} if series else None


def _paths(result: EmbeddingResult) -> dict[str, Any] | None:
    """Variance and neighbour correlation of the kept z over n."""
    if not result.paths:
        return None
    variance: list[dict[str, Any]] = []
    correlation: list[dict[str, Any]] = []
    for method, found in result.paths.items():
        name, levels = NAMES[method][0], found.levels.tolist()
        variance.append({"key": method, "label": name, "points": list(zip(levels, found.variance.tolist(), strict=True))})
        correlation.append({"key": method, "label": name, "points": list(zip(levels[:-1], found.correlation.tolist(), strict=True))})
    if (own := result.paths.get("edit-friendly")) is not None:
        theory = list(zip(own.levels.tolist(), own.expected.tolist(), strict=True))
        variance.append({"key": "theory", "label": "theory for edit-friendly", "points": theory, "dashed": True})
    return {"variance": variance, "correlation": correlation, "n": result.experiment.n}


def _swap(result: EmbeddingResult, picture: dict[str, str]) -> dict[str, Any] | None:
    swap = result.swap
    if swap is None:
        return None
    replays = [
        {"src": uris(x)[0], "name": NAMES[method][0], "text": f"RMSE to A {swap.to_a[method]:.2g}, to B {swap.to_b[method]:.2g}",
         "alt": f"A's {NAMES[method][0]} path from B's x_n"}
        for method, x in swap.replays.items()
    ]  # fmt: skip
    mixtures = [
        {"src": src, "share": f"{100 * share:.0f} %", "alt": f"{100 * share:.0f} percent of the way from A's code to B's"}
        for share, src in zip(swap.shares, uris(swap.mixtures) if len(swap.mixtures) else [], strict=False)
    ]
    other = {"src": uris(swap.other)[0], "alt": words(result.experiment.other)}
    return {"a": picture, "b": other, "seed": swap.seed, "replays": replays, "mixtures": mixtures}
