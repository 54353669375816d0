"""What the tab "Point of no return" shows of its experiment, as plain data."""

from typing import Any

import torch
from torch import Tensor

from diffdemo.experiment import Curve
from diffdemo.lab import CurveResult, Progress
from diffdemo.report.curve import by_seed, means
from diffdemo.report.pictures import uris, words


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
    if result.bits_known is not None and result.bits is not None:
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
        "bits": result.bits, "tiles": _tiles(result), "noises": by_seed(result.x_n), "picture": words(e.picture),
    }  # fmt: skip


def _line(key: str, label: str, table: Tensor, spread: bool = False, texts: list[str] | None = None) -> dict[str, Any]:
    values, deviation = means(table), table.double().std(1, correction=0)
    line: dict[str, Any] = {"key": key, "label": label, "values": values, "texts": texts or [f"{100 * v:.0f} %" for v in values]}
    if spread:
        mean = torch.tensor(values)
        line |= {"low": (mean - deviation).clamp(min=0).tolist(), "high": (mean + deviation).clamp(max=1).tolist()}
    return line


def _tiles(result: CurveResult) -> list[list[dict[str, Any]]]:
    e, rows = result.experiment, []
    for seed, sources in enumerate(by_seed(result.reconstructions)):
        back = result.came_back[:, seed].tolist()
        rows.append([
            {"src": src, "back": back[k], "alt": f"seed {e.seeds[seed]}, n = {e.levels[k]}, {'came back' if back[k] else 'another picture'}"}
            for k, src in enumerate(sources)
        ])  # fmt: skip
    return rows
