"""What the tab "There and back" shows of its experiment, as plain data."""

import json
from dataclasses import replace
from typing import Any

from diffdemo.experiment import RoundTrip
from diffdemo.lab import Path, Progress, RoundTripResult
from diffdemo.report.pictures import uris
from diffdemo.terms import counted


def partial_map(progress: Progress, experiment: RoundTrip, noises: list[str], picture: dict[str, str]) -> dict[str, Any]:
    """The map while the network works: the noises, and the latest estimates in the places of the reconstructions."""
    items = [
        {"seed": seed, "noise": noise, "reconstruction": guess, "back": None, "kept": None, "label": "…",
         "noise_alt": _noise_alt(seed, experiment), "reconstruction_alt": f"seed {seed}, estimate so far"}
        for seed, noise, guess in zip(experiment.seeds, noises, uris(progress.x0_hat), strict=True)
    ]  # fmt: skip
    return {"picture": picture, "items": items}


def full_map(result: RoundTripResult, picture: dict[str, str]) -> dict[str, Any]:
    """The finished map with the path of every seed, as text: Gradio's front end copies objects at every turn, and most paths are never looked at."""
    noises, reconstructions = uris(result.x_n), uris(result.reconstructions)
    items = [_item(result, row, noises[row], reconstructions[row]) for row in range(len(noises))]
    legend = [{"kind": "back", "text": "✓ came back"}, {"kind": "changed", "text": "≠ another picture"}]
    if result.attributes > 1:
        legend.append({"kind": "", "text": f"number: how many of its {result.attributes} visible attributes were kept"})
    return {"picture": picture, "items": items, "legend": legend}


def _item(result: RoundTripResult, row: int, noise: str, reconstruction: str) -> dict[str, Any]:
    e, back = result.experiment, bool(result.came_back[row])
    seed, count = e.seeds[row], result.attributes
    share = None if result.kept is None else float(result.kept[row])
    kept = "" if share is None or count == 1 else f"{round(share * count)}"
    words = f"{kept} of {count} attributes kept, " if kept else "" if share is None else "the same digit, " if share else "another digit, "
    words += f"RMSE {float(result.rmse[row]):.3f}"
    verdict = "came back" if back else "another picture"
    return {
        "seed": seed, "noise": noise, "reconstruction": reconstruction, "back": back,
        "kept": 1 - min(1.0, float(result.rmse[row]) / result.unrelated) if share is None else share,
        "label": f"{'✓' if back else '≠'} {kept}".strip(),
        "noise_alt": _noise_alt(seed, e), "reconstruction_alt": f"seed {seed}, reconstruction, {words}, {verdict}",
        "summary": f"{verdict.capitalize()}: {words}.", "path": json.dumps(_frames(result.path, row)),
        "query": replace(e, seeds=(seed,)).to_query(),
    }  # fmt: skip


def _noise_alt(seed: int, experiment: RoundTrip) -> str:
    return f"seed {seed}, the picture with {counted(experiment.n, 'step')} of noise" if experiment.start == "picture" else f"seed {seed}, pure noise"


def _frames(path: Path, row: int) -> list[dict[str, Any]]:
    states, guesses = (uris(x[:, row], largest=48) if len(x) else [] for x in (path.x, path.x0_hat))
    return [{"n": int(n), "x": x, "x0_hat": guess} for n, x, guess in zip(path.levels[:, row], states, guesses, strict=True)]
