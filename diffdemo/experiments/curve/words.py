"""What there is to say and to show of a Curve."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from diffdemo.diffusion.crossing import crossing
from diffdemo.diffusion.schedule import Schedule
from diffdemo.experiments.curve import Curve
from diffdemo.experiments.curve.run import CurveResult
from diffdemo.lab.progress import Progress
from diffdemo.report.canvas import Tile
from diffdemo.report.films import Still, film
from diffdemo.report.pictures import tile, uri, uris
from diffdemo.report.presenter import Presenter, Row
from diffdemo.report.sheets import TileRow
from diffdemo.report.words import (
    MY_OWN,
    YOURS,
    attributes_kept,
    counted,
    picture_words,
    sampling,
)

SHOWN = 8  # seeds in a film


class Words(Presenter):
    """Presents a CurveResult."""

    returns = (
        "came_back, kept, rmse, bits_known and p_true (levels x seeds), and the reconstructions"
    )
    result: CurveResult
    experiment: Curve

    def sentence(self) -> str:
        """Say from where on the picture changes, and where features and information are lost."""
        rest = [text for text in (self._features(), self._information()) if text]
        text = "; ".join(rest)
        if not text:
            return self._turn()
        return f"{self._turn()} {text[0].upper()}{text[1:]}."

    def sentence_for_others(self, own: str = MY_OWN) -> str:
        """Say the same with the picture's name, where it has one."""
        return super().sentence_for_others(picture_words(self.experiment.picture, own))

    def _turn(self) -> str:
        """Say from which level on most tries end at another picture."""
        e = self.experiment
        turn = self._crossing(self.result.came_back, 0.5)
        if turn is not None:
            tries = "most tries no longer bring"
            if len(e.seeds) == 1:
                tries = f"seed {e.seeds[0]} no longer brings"
            return f"From about {counted(round(turn), 'noise step')} on, {tries} {YOURS} back."
        share = "at least" if means(self.result.came_back)[0] >= 0.5 else "fewer than"
        return f"At every number of noise steps tried, {share} half of the tries came back."

    def _features(self) -> str:
        """Say where half of what shows in the picture is lost; "" where it is not known."""
        r = self.result
        if r.kept is None or r.chance is None:
            return ""
        if r.attributes == 1:
            fall = self._crossing(r.kept, 0.5)
            return "" if fall is None else f"most tries show another digit from {fall:.0f} on"
        fall = self._crossing(r.kept, (1 + r.chance) / 2)
        if fall is None:
            return ""
        return f"half of the likeness in its visible features is gone at {fall:.0f}"

    def _information(self) -> str:
        """Say where half of the information is lost; "" where it is not known."""
        r = self.result
        if r.bits_known is None or r.bits is None:
            return ""
        half = self._crossing(r.bits_known, r.bits / 2)
        if half is None:
            return ""
        pictures = f"{round(2**r.bits):,} pictures"
        return f"half of the information that picks it out of {pictures} lasts until {half:.0f}"

    def _crossing(self, table: Tensor, threshold: float) -> float | None:
        return crossing(self.experiment.levels, means(table), threshold)

    def details(self) -> str:
        """List levels, seeds, calls, solver and eta."""
        e = self.experiment
        levels = counted(len(e.levels), "noise level")
        rows = f"{levels} x {counted(len(e.seeds), 'seed')} in one batch"
        calls = f"at most {counted(e.steps, 'network call')} each"
        return f"{rows}, {calls}, {e.solver}, {sampling(e.eta)}"

    def data(self) -> Row:
        """Return numbers by level and seed, and the reconstructions by seed."""
        r = self.result
        tables = {
            "came_back": r.came_back,
            "kept": r.kept,
            "rmse": r.rmse,
            "bits_known": r.bits_known,
            "p_true": r.p_true,
        }
        return {
            "levels": list(self.experiment.levels),
            "seeds": list(self.experiment.seeds),
            **{name: None if table is None else table.tolist() for name, table in tables.items()},
            "bits": r.bits,
            "chance": r.chance,
            "unrelated_rmse": r.unrelated,
            "speciation": r.speciation,
            "attributes": r.attributes,
            "reconstructions": by_seed(r.reconstructions),
        }

    def table(self) -> list[Row]:
        """Return one row a level and seed."""
        r = self.result
        tables = {
            "rmse": r.rmse,
            "kept": r.kept,
            "bits_known": r.bits_known,
            "p_true": r.p_true,
        }
        rows = []
        for i, n in enumerate(self.experiment.levels):
            for j, seed in enumerate(self.experiment.seeds):
                numbers = {
                    name: None if values is None else float(values[i, j])
                    for name, values in tables.items()
                }
                came_back = bool(r.came_back[i, j])
                rows.append({"n": n, "seed": seed, "came_back": came_back, **numbers})
        return rows

    def tiles(self) -> list[TileRow]:
        """Return the picture, and for each seed a row of x_n and one of reconstructions."""
        e = self.experiment
        rows = [TileRow("the picture", (tile("x0", "", self.result.x0),))]
        for j, seed in enumerate(e.seeds):
            noisy = [
                tile(f"seed-{seed}-n-{n}-x_n", f"n = {n}", self.result.x_n[i, j])
                for i, n in enumerate(e.levels)
            ]
            backs = [self._back(i, j, f"n = {n}") for i, n in enumerate(e.levels)]
            rows.append(TileRow(f"seed {seed}, x_n", tuple(noisy)))
            rows.append(TileRow(f"seed {seed}, back", tuple(backs)))
        return rows

    def _back(self, i: int, j: int, label: str) -> Tile:
        e = self.experiment
        name = f"seed-{e.seeds[j]}-n-{e.levels[i]}-reconstruction"
        came_back = bool(self.result.came_back[i, j])
        return tile(name, label, self.result.reconstructions[i, j], came_back)

    def film(self, schedule: Schedule) -> list[np.ndarray]:
        """Draw one still a level: the x_n of each seed, and under each what it leads back to."""
        e = self.experiment
        r = self.result
        count = min(SHOWN, len(e.seeds))
        some = f"; {count} of {len(e.seeds)} shown" if count < len(e.seeds) else ""
        x0 = tile("x0", "the picture", r.x0)
        stills = []
        for i, n in enumerate(e.levels):
            noisy = [tile("x_n", f"seed {e.seeds[j]}", r.x_n[i, j]) for j in range(count)]
            labels = [attributes_kept(r.kept, (i, j), r.attributes) for j in range(count)]
            backs = [self._back(i, j, label) for j, label in enumerate(labels)]
            back = f"{int(r.came_back[i].sum())} of {len(e.seeds)} came back"
            text = f"{counted(n, 'step')} of noise, and back: {back}{some}"
            stills.append(Still((*noisy, *backs), text, n / schedule.T, beside=x0))
        return film(stills, columns=count, ends=("0", str(schedule.T)))

    def page(self) -> Row:
        """Return the tiles, the curve of those that came back, and the other curves with marks."""
        e = self.experiment
        r = self.result
        T = max(e.levels)
        return {
            "T": T,
            "levels": list(e.levels),
            "seeds": list(e.seeds),
            "x0": {"src": uri(r.x0), "alt": picture_words(e.picture)},
            "verdicts": self._verdicts(),
            "back": {"values": means(r.came_back), "texts": self._counts()},
            "landmarks": self._landmarks(),
            "lines": self._lines(),
            "marks": self._marks(),
            "chance": self._chance(),
            "tiles": self._page_tiles(),
            "noises": by_seed(r.x_n),
        }

    def _verdicts(self) -> list[Row]:
        """Return what the two marks under the tiles mean."""
        near = "near to the original"
        if self.result.bits is not None:
            others = round(2**self.result.bits) - 1
            near = f"nearer to the original than to any of {others:,} other pictures"
        return [
            {"kind": "back", "text": f"✓ came back: {near}"},
            {"kind": "changed", "text": "≠ another picture"},
        ]

    def _counts(self) -> list[str]:
        """Return for each level how many tries came back, as "3 of 4"."""
        total = len(self.experiment.seeds)
        return [f"{int(back)} of {total}" for back in self.result.came_back.sum(1)]

    def _landmarks(self) -> list[Row]:
        """Return a quarter of the largest level and that level, where they were tried."""
        levels = self.experiment.levels
        found = []
        for n in dict.fromkeys((max(levels) // 4, max(levels))):
            if n in levels and n > 0:
                text = f"n = {n}: {self._counts()[levels.index(n)]} came back"
                found.append({"n": n, "text": text})
        return found

    def _marks(self) -> list[Row]:
        """Return where the main kinds of pictures part, see `how.md`."""
        if self.result.speciation is None:
            return []
        return [{"x": round(self.result.speciation), "text": "speciation"}]

    def _chance(self) -> Row | None:
        """Return what two strangers share."""
        chance = self.result.chance
        if chance is None:
            return None
        return {"y": chance, "text": f"a stranger: {100 * chance:.0f} %"}

    def _lines(self) -> list[Row]:
        """Return the curves beside that of the tries that came back."""
        r = self.result
        lines = []
        if r.bits_known is not None and r.bits is not None:
            label = f"information left, of {r.bits:.1f} bits"
            texts = [f"{bits:.1f} bits" for bits in means(r.bits_known)]
            lines.append({**_line("bits", label, r.bits_known / r.bits), "texts": texts})
        if r.kept is not None and r.attributes == 1:
            lines.append(_line("kept", "tries that still show the same digit", r.kept))
        elif r.kept is not None:
            kept = f"features kept, of the {r.attributes} that show (the band: one deviation)"
            lines.append({**_line("kept", kept, r.kept), **_spread(r.kept)})
        label = "distance to the original (RMSE), of that between strangers"
        return [*lines, _line("rmse", label, r.rmse / r.unrelated)]

    def _page_tiles(self) -> list[list[Row]]:
        e = self.experiment

        def shown(i: int, j: int, src: str) -> Row:
            back = bool(self.result.came_back[i, j])
            verdict = "came back" if back else "another picture"
            alt = f"seed {e.seeds[j]}, n = {e.levels[i]}, {verdict}"
            return {"src": src, "back": back, "alt": alt}

        return _table(self.result.reconstructions, shown)


def unfinished(progress: Progress, e: Curve) -> Row:
    """Return the strip of tiles while the network works."""
    x = progress.x0_hat.unflatten(0, (len(e.levels), len(e.seeds)))
    tiles = _table(x, lambda i, j, src: {"src": src, "back": None, "alt": "estimate so far"})
    return {
        "T": max(e.levels),
        "levels": list(e.levels),
        "seeds": list(e.seeds),
        "x0": {"src": uri(progress.x0), "alt": picture_words(e.picture)},
        "verdicts": [],
        "tiles": tiles,
        "lines": [],
        "noises": [],
    }


def _table(x: Tensor, shown: Callable[[int, int, str], Row]) -> list[list[Row]]:
    """Return (L, S, C, H, W) as a row of tiles for each seed."""
    return [
        [shown(i, j, src) for i, src in enumerate(sources)] for j, sources in enumerate(by_seed(x))
    ]


def means(table: Tensor) -> list[float]:
    """Return the L means over the seeds of a table (L, S)."""
    found: list[float] = table.double().mean(1).tolist()
    return found


def by_seed(x: Tensor) -> list[list[str]]:
    """Return (L, S, C, H, W) as a row of data URIs for each seed."""
    levels, seeds = x.shape[:2]
    flat = uris(x.flatten(0, 1))
    return [[flat[level * seeds + seed] for level in range(levels)] for seed in range(seeds)]


def _line(key: str, label: str, table: Tensor) -> Row:
    """Return one line of the chart, the means over the seeds of a table (L, S)."""
    values = means(table)
    texts = [f"{100 * value:.0f} %" for value in values]
    return {"key": key, "label": label, "values": values, "texts": texts}


def _spread(table: Tensor) -> Row:
    """Return the band of one standard deviation over the seeds."""
    mean = torch.tensor(means(table))
    deviation = table.double().std(1, correction=0)
    low = (mean - deviation).clamp(min=0)
    high = (mean + deviation).clamp(max=1)
    return {"low": low.tolist(), "high": high.tolist()}
