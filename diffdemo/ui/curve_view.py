"""What the tab "Point of no return" shows of its experiment, as plain data."""

from typing import Any

import torch
from torch import Tensor

from diffdemo.experiment import Curve
from diffdemo.lab import CurveResult, Progress, crossing
from diffdemo.ui.views import uris, words


def sentence(result: CurveResult) -> str:
    """Where half of what was known is gone, and where the picture changes, in plain words with numbers."""
    levels, parts = result.experiment.levels, []
    if result.bits_known is not None and (half := crossing(levels, means(result.bits_known), result.bits / 2)) is not None:
        parts.append(f"half of the {result.bits:.1f} bits that single this picture out are gone at n = {half:.0f}")
    if (turn := crossing(levels, means(result.came_back), 0.5)) is not None:
        parts.append(f"from n = {turn:.0f} on fewer than half of the noises bring it back")
    if result.kept is not None and (fall := crossing(levels, means(result.kept), (1 + result.chance) / 2)) is not None:
        parts.append(f"the digit changes at n = {fall:.0f}" if result.attributes == 1 else f"half of what shows in it is lost at n = {fall:.0f}")
    text = "; ".join(parts) or "nothing is lost between the levels asked for"
    return f"{text[0].upper()}{text[1:]}."


def note(result: CurveResult) -> str:
    """The settings in small print."""
    e = result.experiment
    how = "deterministic" if e.eta == 0 else f"eta {e.eta:g}"
    rows = f"{len(e.levels)} levels x {len(e.seeds)} seeds in one batch, at most {e.steps} network calls each"
    return f"Model {e.model} {e.revision}, {rows}, {e.solver}, {how}, float32, {result.seconds:.1f} s."


def means(table: Tensor) -> list[float]:
    """(L, S) → L means over the seeds."""
    return table.double().mean(1).tolist()


def partial_chart(progress: Progress, e: Curve) -> dict[str, Any]:
    """The strip of tiles while the network works."""
    L, S = len(e.levels), len(e.seeds)
    guesses = uris(progress.x0_hat)
    tiles = [[{"src": guesses[level * S + seed], "back": None, "alt": "estimate so far"} for level in range(L)] for seed in range(S)]
    return {"T": max(e.levels), "levels": list(e.levels), "seeds": list(e.seeds), "tiles": tiles, "lines": [], "noises": []}


def chart(result: CurveResult) -> dict[str, Any]:
    """The finished chart: lines with their names and units, levels and marks, and the tiles, one row a seed."""
    e, kept = result.experiment, result.kept
    lines = []
    if result.bits_known is not None:
        share, what = result.bits_known / result.bits, f"bits known, of {result.bits:.1f} (exact)"
        lines.append(_line("bits", what, share, texts=[f"{b:.1f} bits" for b in means(result.bits_known)]))
    if kept is not None:
        one = result.attributes == 1
        what = "still the same digit, of all seeds" if one else f"share of its {result.attributes} attributes kept (mean, spread over seeds)"
        lines.append(_line("kept", what, kept, spread=not one))
    lines.append(_line("rmse", "RMSE, as a share of that between unrelated pictures", result.rmse / result.unrelated))
    marks = [] if result.speciation is None else [{"n": round(result.speciation), "text": f"speciation {result.speciation:.0f}"}]
    chance = None if result.chance is None else {"y": result.chance, "text": f"chance {100 * result.chance:.0f} %"}
    return {
        "T": max(e.levels), "levels": list(e.levels), "seeds": list(e.seeds), "lines": lines, "marks": marks, "chance": chance,
        "bits": result.bits, "tiles": _tiles(result), "noises": _by_seed(result.x_n), "picture": words(e.picture),
    }  # fmt: skip


def _line(key: str, label: str, table: Tensor, spread: bool = False, texts: list[str] | None = None) -> dict[str, Any]:
    values, deviation = means(table), table.double().std(1, correction=0)
    line: dict[str, Any] = {"key": key, "label": label, "values": values, "texts": texts or [f"{100 * v:.0f} %" for v in values]}
    if spread:
        mean = torch.tensor(values)
        line |= {"low": (mean - deviation).clamp(min=0).tolist(), "high": (mean + deviation).clamp(max=1).tolist()}
    return line


def _by_seed(x: Tensor) -> list[list[str]]:
    """(L, S, C, H, W) → a row of data URIs for each seed."""
    L, S = x.shape[:2]
    flat = uris(x.flatten(0, 1))
    return [[flat[level * S + seed] for level in range(L)] for seed in range(S)]


def _tiles(result: CurveResult) -> list[list[dict[str, Any]]]:
    e, rows = result.experiment, []
    for seed, sources in enumerate(_by_seed(result.reconstructions)):
        back = result.came_back[:, seed].tolist()
        rows.append([
            {"src": src, "back": back[k], "alt": f"seed {e.seeds[seed]}, n = {e.levels[k]}, {'came back' if back[k] else 'another picture'}"}
            for k, src in enumerate(sources)
        ])  # fmt: skip
    return rows


def as_json(result: CurveResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, numbers by level and seed, the reconstructions by seed."""
    tables = {"came_back": result.came_back, "kept": result.kept, "rmse": result.rmse, "bits_known": result.bits_known, "p_true": result.p_true}
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "levels": list(result.experiment.levels),
        "seeds": list(result.experiment.seeds), **{name: None if table is None else table.tolist() for name, table in tables.items()},
        "bits": result.bits, "chance": result.chance, "unrelated_rmse": result.unrelated, "speciation": result.speciation,
        "attributes": result.attributes, "reconstructions": _by_seed(result.reconstructions), "seconds": result.seconds,
    }  # fmt: skip
