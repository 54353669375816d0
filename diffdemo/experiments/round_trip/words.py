"""What there is to say and to show of a RoundTrip."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffdemo.diffusion.noise import noise
from diffdemo.diffusion.schedule import Schedule
from diffdemo.experiments.round_trip import RoundTrip
from diffdemo.experiments.round_trip.headline import (
    another,
    feature_words,
    headline,
    own_words,
    size,
    stranger,
)
from diffdemo.experiments.round_trip.run import Path, RoundTripResult
from diffdemo.experiments.round_trip.survived import columns, features, survived
from diffdemo.lab.judge import CAME_BACK_SHARE
from diffdemo.lab.progress import Progress
from diffdemo.pictures import images
from diffdemo.report.canvas import Tile
from diffdemo.report.films import Still, film
from diffdemo.report.pictures import tile, uri, uris
from diffdemo.report.portraits import Portrait, portrait
from diffdemo.report.presenter import Presenter, Row
from diffdemo.report.sheets import TileRow
from diffdemo.report.words import MY_OWN, attributes_kept, counted, picture_words, sampling

SHOWN = 8  # seeds in a film
UP = 8  # stills on the way up


class Words(Presenter):
    """Presents a RoundTripResult."""

    returns = "came_back, rmse, kept and features by seed, chance, and all pictures"
    result: RoundTripResult
    experiment: RoundTrip

    def sentence(self) -> str:
        """Say how many came back, what they kept, and what chance keeps."""
        return headline(self.result, own_words(self.result))

    def sentence_for_others(self, own: str = MY_OWN) -> str:
        """Say the same with the picture's name, where it has one."""
        named = picture_words(self.experiment.picture, own)
        return headline(self.result, re.sub(r"^an? (?=\d)", "the ", named))

    def details(self) -> str:
        """List calls, solver and eta."""
        e = self.experiment
        calls = counted(min(e.n, e.steps), "network call")
        return f"{calls}, {e.solver}, {sampling(e.eta)}"

    def note(self) -> str:
        """Add the mean distance."""
        rmse = float(self.result.rmse.mean())
        unrelated = self.result.unrelated
        return f"{super().note()} Mean RMSE {rmse:.3f}, unrelated pictures {unrelated:.3f}."

    def data(self) -> Row:
        """Return numbers by seed, and pictures."""
        r = self.result
        return {
            "seeds": list(self.experiment.seeds),
            "came_back": r.came_back.tolist(),
            "rmse": r.rmse.tolist(),
            "unrelated_rmse": r.unrelated,
            "foreign": r.foreign,
            "kept": None if r.kept is None else r.kept.tolist(),
            "chance": r.chance,
            "attributes": r.attributes,
            "features": features(r),
            "x0": uri(r.x0),
            "x_n": uris(r.x_n),
            "reconstructions": uris(r.reconstructions),
        }

    def table(self) -> list[Row]:
        """Return one row a seed, with a column for each attribute; see `survived.columns`."""
        r = self.result
        return [
            {
                "seed": seed,
                "n": self.experiment.n,
                "came_back": bool(r.came_back[row]),
                "rmse": float(r.rmse[row]),
                "kept": None if r.kept is None else float(r.kept[row]),
                "chance": r.chance,
                "attributes": r.attributes,
                "foreign": r.foreign,
                **columns(r, row),
            }
            for row, seed in enumerate(self.experiment.seeds)
        ]

    def tiles(self) -> list[TileRow]:
        """Return the picture, and for each seed x_n beside what it leads back to."""
        e = self.experiment
        noisy = f"n = {e.n}" if e.start == "picture" else "pure noise"
        rows = [TileRow("the picture", (tile("x0", "", self.result.x0),))]
        for row, seed in enumerate(e.seeds):
            x_n = tile(f"seed-{seed}-x_n", noisy, self.result.x_n[row])
            rows.append(TileRow(f"seed {seed}", (x_n, self._reconstruction(row))))
        return rows

    def _reconstruction(self, row: int) -> Tile:
        r = self.result
        label = attributes_kept(r.kept, row, r.attributes) or f"RMSE {float(r.rmse[row]):.2f}"
        name = f"seed-{self.experiment.seeds[row]}-reconstruction"
        return tile(name, label, r.reconstructions[row], bool(r.came_back[row]))

    def film(self, schedule: Schedule) -> list[np.ndarray]:
        """Draw the way up, the way down with each estimate, and last what came back."""
        e = self.experiment
        path = self.result.path
        rows = range(min(SHOWN, len(e.seeds)))
        x0 = tile("x0", "the picture", self.result.x0)
        some = f"; {len(rows)} of {len(e.seeds)} shown" if len(rows) < len(e.seeds) else ""

        def still(
            n: int, text: str, rising: bool | None, x: Tensor, below: Callable[[int], Tile]
        ) -> Still:
            above = [tile("x", f"seed {e.seeds[row]}", x[row]) for row in rows]
            tiles = (*above, *(below(row) for row in rows))
            return Still(tiles, f"{text}{some}", n / schedule.T, rising, x0)

        stills = []
        for n, x in self._rising(schedule, len(rows)):
            stills.append(still(n, f"n = {n}, noise is added", True, x, lambda row: x0))
        for n, x, x0_hat in zip(path.levels[:, 0].tolist(), path.x, path.x0_hat, strict=True):
            estimates = [tile("x0_hat", "estimate", x0_hat[row]) for row in rows]
            text = f"n = {n}, noise is taken away"
            stills.append(still(n, text, False, x, estimates.__getitem__))
        stills.append(still(0, self._ending(), None, self.result.x_n, self._reconstruction))
        return film(stills, columns=len(rows), ends=("0", str(schedule.T)))

    def _ending(self) -> str:
        e = self.experiment
        way = f"{counted(e.n, 'step')} of noise, and back"
        if e.start == "noise":
            way = "from pure noise"
        return f"{way}: {int(self.result.came_back.sum())} of {len(e.seeds)} came back"

    def _rising(self, schedule: Schedule, count: int) -> list[tuple[int, Tensor]]:
        """Return levels up to n, each with the first `count` rows at it; none from pure noise."""
        e = self.experiment
        if e.start == "noise" or e.n == 0:
            return []
        x_n = self.result.x_n[:count]
        eps = noise(e.seeds[:count], x_n.shape[1:])
        clean = self.result.x0
        if clean.shape[1:] != x_n.shape[1:]:  # decoded: the latent follows from x_n and its noise
            clean = schedule.x0_from_eps(x_n, eps, torch.full((count,), e.n))
        levels = sorted({round(n) for n in np.linspace(0, e.n, UP)})
        return [(n, schedule.add_noise(clean, eps, n) if n < e.n else x_n) for n in levels]

    def page(self) -> Row:
        """Return the map of pictures with the path of every seed.

        The paths are JSON texts: Gradio's front end copies objects at every update, and most
        paths are never looked at.
        """
        r = self.result
        pairs = zip(uris(r.x_n), uris(r.reconstructions), strict=True)
        return {
            "picture": portrait(self.experiment.picture, images.visualise(r.x0)[0]),
            "items": [self._item(row, x_n, back) for row, (x_n, back) in enumerate(pairs)],
            "legend": self._legend(),
        }

    def _legend(self) -> list[Row]:
        """Explain the marks of the tiles."""
        r = self.result
        share = f"less than {100 * CAME_BACK_SHARE:.0f} % as far from your picture"
        rule = f"{share} as an unrelated picture is"
        if size(r):
            rule = f"nearer to your picture than to any other of {size(r):,}"
        legend = [
            {"kind": "back", "text": f"✓ came back: {rule}"},
            {"kind": "changed", "text": f"≠ {another(r)}"},
        ]
        if r.attributes > 1:
            kept = f"number: how many of its {feature_words(r)} were kept"
            legend.append({"kind": "", "text": f"{kept}; a stranger shares {stranger(r)}"})
        return legend

    def _item(self, row: int, x_n: str, reconstruction: str) -> Row:
        e = self.experiment
        r = self.result
        seed = e.seeds[row]
        back = bool(r.came_back[row])
        verdict = "came back" if back else another(r)
        number = "" if r.kept is None or r.attributes == 1 else f"{self._count(row)}"
        found = self._found(row)
        return {
            "seed": seed,
            "noise": x_n,
            "reconstruction": reconstruction,
            "back": back,
            "kept": self._nearness(row),
            "label": f"{'✓' if back else '≠'} {number}".strip(),
            "noise_alt": noise_words(seed, e),
            "reconstruction_alt": f"seed {seed}, {verdict}: {found}",
            "summary": f"{verdict.capitalize()}: {found}.",
            "survived": survived(r, row),
            "path": json.dumps(_frames(r.path, row)),
            "query": replace(e, seeds=(seed,)).to_query(),
        }

    def _count(self, row: int) -> int:
        assert self.result.kept is not None
        return round(float(self.result.kept[row]) * self.result.attributes)

    def _nearness(self, row: int) -> float:
        """Return 0..1: the share of attributes kept, or how near the pixels are."""
        r = self.result
        if r.kept is not None:
            return float(r.kept[row])
        return 1 - min(1.0, float(r.rmse[row]) / r.unrelated)

    def _found(self, row: int) -> str:
        """Say what a reconstruction kept, in words for those who do not see it."""
        r = self.result
        rmse = f"RMSE {float(r.rmse[row]):.3f}"
        if r.kept is None:
            return rmse
        if r.attributes == 1:
            return f"{'the same' if r.kept[row] else 'another'} digit, {rmse}"
        kept = f"{self._count(row)} of {r.attributes} features kept"
        return f"{kept} (a stranger shares {stranger(r)}), {rmse}"


def unfinished(progress: Progress, e: RoundTrip, noises: list[str], picture: Portrait) -> Row:
    """Return the map while the network works: the noises, and the latest estimates.

    Args:
        progress: where the run is.
        e: what is run.
        noises: data URIs of x_n, by seed.
        picture: portrait of the picture.
    """
    estimates = uris(progress.x0_hat)
    items = [
        {
            "seed": seed,
            "noise": x_n,
            "reconstruction": estimate,
            "back": None,
            "kept": None,
            "label": "…",
            "noise_alt": noise_words(seed, e),
            "reconstruction_alt": f"seed {seed}, estimate so far",
        }
        for seed, x_n, estimate in zip(e.seeds, noises, estimates, strict=True)
    ]
    return {"picture": picture, "items": items}


def noise_words(seed: int, e: RoundTrip) -> str:
    """Describe the x_n of a seed."""
    if e.start == "noise":
        return f"seed {seed}, pure noise"
    return f"seed {seed}, the picture with {counted(e.n, 'step')} of noise"


def _frames(path: Path, row: int) -> list[dict[str, Any]]:
    """Return the path of one row, as data."""
    if not len(path.x):
        return []
    states = uris(path.x[:, row], largest=48)
    estimates = uris(path.x0_hat[:, row], largest=48)
    frames = zip(path.levels[:, row].tolist(), states, estimates, strict=True)
    return [{"n": n, "x": x, "x0_hat": x0_hat} for n, x, x0_hat in frames]
