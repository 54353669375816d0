"""What the tab "Two pictures, one noise" shows of its experiment, as plain data."""

import math
from typing import Any

from diffdemo.lab import CollisionResult
from diffdemo.ui.views import uris, words


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
    return (
        f"Model {e.model} {e.revision}, noise on A from seed {e.seed}, back with {min(e.n, e.steps)} steps, {how}, float32, {result.seconds:.1f} s."
    )


def equations(result: CollisionResult, signal: float, spread: float, T: int) -> dict[str, Any]:
    """The two equations with their pictures, the numbers, the curve of the odds and the ways back.

    Args:
        result: what was found.
        signal: sqrt(alpha_bar) at n.
        spread: sqrt(1 - alpha_bar) at n.
        T: number of noise steps in all.
    """
    e = result.experiment
    pictures = {
        name: {"src": uris(x)[0], "alt": alt}
        for name, x, alt in (
            ("a", result.x0, f"A, {words(e.picture)}"), ("b", result.other, f"B, {words(e.other)}"), ("x_n", result.x_n, f"x_n at n = {e.n}"),
            ("eps_a", result.eps_a, "the noise on A"), ("eps_b", result.eps_b, "the noise that B needs"),
        )
    }  # fmt: skip
    return {
        **pictures, "n": e.n, "T": T, "signal": f"{signal:.3f}", "spread": f"{spread:.3f}", "facts": _facts(result),
        "odds": list(zip(result.levels, result.odds.tolist(), strict=True)), "ways": _ways(result),
    }  # fmt: skip


def _facts(result: CollisionResult) -> list[dict[str, str]]:
    p, own = result.plausibility, result.of_eps_a
    log10 = -result.log_odds / math.log(10)
    band = f"true noise: 1 ± {p.spread:.2f}"
    rows = [
        ("mean square of the noise on A", f"{own.mean_square:.3f}", band),
        ("mean square of the noise B needs", f"{p.mean_square:.3f}", f"{band}; as long or longer: {_percent(p.p_value)}"),
        ("log10 of the likelihood ratio, A over B", f"{log10:+.2f}", "how much better A explains x_n"),
        ("exact odds A : B", _ratio(log10), "both equally likely before"),
    ]
    return [{"term": term, "value": value, "help": text} for term, value, text in rows]


def _percent(p: float) -> str:
    return f"{100 * p:.1f} %" if p >= 0.001 else f"{100 * p:.0e} %" if p > 1e-300 else "0 %"


def _ratio(log10: float) -> str:
    if abs(log10) >= 4:
        return f"10^{log10:.0f} : 1" if log10 > 0 else f"1 : 10^{-log10:.0f}"
    return f"{10**log10:.3g} : 1" if log10 >= 0 else f"1 : {10**-log10:.3g}"


def _ways(result: CollisionResult) -> list[dict[str, Any]]:
    ways = []
    for row, (seed, src) in enumerate(zip(result.seeds, uris(result.reconstructions), strict=True)):
        who = "A" if result.a[row] else "B" if result.b[row] else ""
        shares = [_share(kept, row, count, name) for kept, count, name in
                  ((result.kept_a, result.attributes[0], "A"), (result.kept_b, result.attributes[1], "B"))]  # fmt: skip
        read = ", ".join(share for share in shares if share)
        verdict = f"{who} came back" if who else "another picture"
        ways.append({"seed": seed, "src": src, "who": who, "verdict": f"✓ {who}" if who else "≠", "read": read,
                     "alt": f"seed {seed}, {verdict}{', ' + read if read else ''}"})  # fmt: skip
    return ways


def _share(kept: Any, row: int, count: int, name: str) -> str:
    if kept is None:
        return ""
    share = float(kept[row])
    return (f"digit of {name}" if share else f"not {name}'s digit") if count == 1 else f"{round(share * count)} of {count} as {name}"


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
