"""What the tab "Two pictures, one noise" shows of its experiment, as plain data."""

import math
from typing import Any

from diffdemo.lab import CollisionResult
from diffdemo.report.pictures import uris, words


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
