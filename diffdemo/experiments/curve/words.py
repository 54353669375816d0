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
from diffdemo.report.pictures import tile, uris
from diffdemo.report.presenter import Presenter, Row
from diffdemo.report.sheets import TileRow
from diffdemo.report.words import attributes_kept, counted, picture_words, sampling

SHOWN = 8  # seeds in a film


class Words(Presenter):
    """Presents a CurveResult."""

    returns = (
        "came_back, kept, rmse, bits_known and p_true (levels x seeds), and the reconstructions"
    )
    result: CurveResult
    experiment: Curve

    def sentence(self) -> str:
        """Say where half of what was known is gone, and where the picture changes."""
        r = self.result
        parts = []
        if r.bits_known is not None and r.bits is not None:
            half = self._crossing(r.bits_known, r.bits / 2)
            if half is not None:
                bits = f"half of the {r.bits:.1f} bits that single this picture out"
                parts.append(f"{bits} are gone at n = {half:.0f}")
        turn = self._crossing(r.came_back, 0.5)
        if turn is not None:
            parts.append(f"from n = {turn:.0f} on fewer than half of the noises bring it back")
        if r.kept is not None and r.chance is not None:
            fall = self._crossing(r.kept, (1 + r.chance) / 2)
            if fall is not None:
                what = "half of what shows in it is lost"
                if r.attributes == 1:
                    what = "the digit changes"
                parts.append(f"{what} at n = {fall:.0f}")
        text = "; ".join(parts) or "nothing is lost between the levels asked for"
        return f"{text[0].upper()}{text[1:]}."

    def _crossing(self, table: Tensor, threshold: float) -> float | None:
        return crossing(self.experiment.levels, means(table), threshold)

    def details(self) -> str:
        """List levels, seeds, calls, solver and eta."""
        e = self.experiment
        rows = f"{counted(len(e.levels), 'level')} x {counted(len(e.seeds), 'seed')} in one batch"
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
        """Return lines with names and units, marks, and the tiles, one row a seed."""
        e = self.experiment
        r = self.result
        marks = []
        if r.speciation is not None:
            marks.append({"n": round(r.speciation), "text": f"speciation {r.speciation:.0f}"})
        chance = None
        if r.chance is not None:
            chance = {"y": r.chance, "text": f"chance {100 * r.chance:.0f} %"}
        return {
            "T": max(e.levels),
            "levels": list(e.levels),
            "seeds": list(e.seeds),
            "lines": self._lines(),
            "marks": marks,
            "chance": chance,
            "bits": r.bits,
            "tiles": self._page_tiles(),
            "noises": by_seed(r.x_n),
            "picture": picture_words(e.picture),
        }

    def _lines(self) -> list[Row]:
        r = self.result
        lines = []
        if r.bits_known is not None and r.bits is not None:
            label = f"bits known, of {r.bits:.1f} (exact)"
            texts = [f"{bits:.1f} bits" for bits in means(r.bits_known)]
            lines.append({**_line("bits", label, r.bits_known / r.bits), "texts": texts})
        if r.kept is not None and r.attributes == 1:
            lines.append(_line("kept", "still the same digit, of all seeds", r.kept))
        elif r.kept is not None:
            kept = f"share of its {r.attributes} attributes kept (mean, spread over seeds)"
            lines.append({**_line("kept", kept, r.kept), **_spread(r.kept)})
        label = "RMSE, as a share of that between unrelated pictures"
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
