"""What there is to say of a Collision."""

import math
from typing import Any

from diffdemo.lab import CollisionResult
from diffdemo.report.pictures import tile, uris
from diffdemo.sheets import TileRow
from diffdemo.terms import counted

RETURNS = "x_n, both noises, the exact odds, and the ways back with what was read in them"  # over the API


def sentence(result: CollisionResult) -> str:
    """How plausible B's noise is, how likely B is, and whose picture came back, in plain words with numbers."""
    e, p, count = result.experiment, result.plausibility, len(result.seeds)
    if bool((result.x0 == result.other).all()):
        return "A and B are the same picture, so they share every noise and nothing can tell them apart."
    length = "as long as true noise" if abs(p.mean_square - 1) <= p.spread else "far longer than true noise" if p.p_value < 1e-6 else "too long"
    odds = _odds(result)
    a, b = int(result.a.sum()), int(result.b.sum())
    back = f"of {count} ways back, {a} ended at A, {b} at B and {count - a - b} at other pictures"
    return f"At n = {e.n} the noise that B needs is {length}, and {odds} to be behind this x_n; {back}."


def _odds(result: CollisionResult) -> str:
    """The odds A : B in words."""
    log10 = -result.log_odds / math.log(10)
    if abs(log10) < 0.05:
        return "A and B are about equally likely"
    size = f"{10 ** abs(log10):.3g}" if abs(log10) < 5 else f"10^{abs(log10):.0f}"
    return f"A is {size} times {'more' if log10 > 0 else 'less'} likely than B"


def note(result: CollisionResult) -> str:
    """The settings in small print."""
    e = result.experiment
    how = f"eta {e.eta:g}, seeds {result.seeds[0]} to {result.seeds[-1]}" if e.eta else "deterministic"
    steps = counted(min(e.n, e.steps), "step")
    return f"Model {e.model} {e.revision}, noise on A from seed {e.seed}, back with {steps}, {how}, {result.seconds:.1f} s."


def as_json(result: CollisionResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, the shared x_n, both noises, the odds and the ways back."""
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "x_n": uris(result.x_n)[0], "eps_a": uris(result.eps_a)[0],
        "eps_b": uris(result.eps_b)[0], "log_odds": result.log_odds, "mean_square": result.plausibility.mean_square,
        "spread": result.plausibility.spread, "p_value": result.plausibility.p_value, "levels": list(result.levels),
        "log10_odds": result.odds.tolist(), "seeds": list(result.seeds), "a": result.a.tolist(), "b": result.b.tolist(),
        "kept_a": None if result.kept_a is None else result.kept_a.tolist(), "kept_b": None if result.kept_b is None else result.kept_b.tolist(),
        "reconstructions": uris(result.reconstructions), "seconds": result.seconds,
    }  # fmt: skip


def table(result: CollisionResult) -> list[dict[str, Any]]:
    """One row a way back."""
    return [
        {"seed": seed, "n": result.experiment.n, "ended": _ended(result, row),
         **{name: None if kept is None else float(kept[row]) for name, kept in (("kept_a", result.kept_a), ("kept_b", result.kept_b))}}
        for row, seed in enumerate(result.seeds)
    ]  # fmt: skip


def _ended(result: CollisionResult, row: int) -> str:
    """Whose picture a way back led to: "A", "B" or "other"."""
    return "A" if result.a[row] else "B" if result.b[row] else "other"


def tiles(result: CollisionResult) -> list[TileRow]:
    """A and B with the noises that lead to their one x_n, that x_n, and the ways back from it."""
    ways = []
    for row, seed in enumerate(result.seeds):
        who = _ended(result, row)
        label = f"seed {seed}" if who == "other" else f"{who}, seed {seed}"
        ways.append(tile(f"seed-{seed}-reconstruction", label, result.reconstructions[row], who != "other"))
    return [
        TileRow("picture A", (tile("x0", "A", result.x0), tile("eps_a", "noise on A", result.eps_a))),
        TileRow("picture B", (tile("other", "B", result.other), tile("eps_b", "noise B needs", result.eps_b))),
        TileRow("both lead to", (tile("x_n", f"x_n, n = {result.experiment.n}", result.x_n),)),
        TileRow("ways back", tuple(ways)),
    ]
