"""What there is to say and to show of a Branch."""

from typing import Any

import numpy as np

from diffdemo.diffusion import metrics
from diffdemo.diffusion.crossing import crossing
from diffdemo.diffusion.schedule import Schedule
from diffdemo.experiments.branch import Branch
from diffdemo.experiments.branch.run import BranchResult
from diffdemo.lab.progress import Progress
from diffdemo.report.canvas import Tile
from diffdemo.report.films import Still, film
from diffdemo.report.pictures import tile, uri, uris
from diffdemo.report.presenter import Presenter, Row
from diffdemo.report.sheets import TileRow
from diffdemo.report.words import YOURS, counted

SHOWN = 14  # futures in a film
SLIGHT = 2  # percent of a picture below which it plays no part


class Words(Presenter):
    """Presents a BranchResult."""

    returns = "the path, the futures by point, and their diversity and shared attributes by point"
    result: BranchResult
    experiment: Branch

    def __init__(self, result: BranchResult):
        super().__init__(result)
        self.levels: list[int] = result.path.levels.tolist()

    def sentence(self) -> str:
        """Say how alike ends are that part at the first and last point, and when half is set."""
        r = self.result
        first = f"Paths that part at n = {self.levels[0]} end"
        last = f"those that part at n = {self.levels[-1]}"
        if r.kept is None or r.chance is None:
            apart = "as far apart as strangers"
            return f"{first} {self._alike(0)} {apart}; {last}, {self._alike(-1)}."
        strangers = f"{100 * r.chance:.0f} %"
        text = f"{first} {self._alike(0)} alike (strangers: {strangers})"
        text += f"; {last}, {self._alike(-1)}"
        if r.attributes == 1:
            same = f"{first} at the same digit in {self._alike(0)} of pairs"
            text = f"{same} (strangers: {strangers}); {last}, in {self._alike(-1)}"
        half = crossing(self.levels[::-1], r.kept.tolist()[::-1], (1 + r.chance) / 2)
        if half is None:
            return f"{text}."
        return f"{text}. Half of the likeness is settled only below n = {half:.0f}."

    def _alike(self, point: int) -> str:
        """Write what the futures of a point share; without a reader, how far apart they are."""
        r = self.result
        if r.kept is None:
            return f"{100 * float(r.diversity[point]) / r.unrelated:.0f} %"
        return f"{100 * float(r.kept[point]):.0f} %"

    def details(self) -> str:
        """List points, futures, steps, jumps and the seed of the path."""
        e = self.experiment
        points = counted(len(self.levels), "point")
        futures = counted(len(self.result.seeds), "future")
        jump = f", climbing back {counted(e.jump, 'step')} each time" if e.jump else ""
        how = f"{counted(e.steps, 'denoising step')}, eta 1{jump}, path from seed {e.seed}"
        return f"{points} x {futures} in one batch, {how}"

    def data(self) -> Row:
        """Return the path, its futures and what they share by point."""
        r = self.result
        return {
            "levels": self.levels,
            "path": uris(r.path.x),
            "end": uri(r.path.end),
            "futures": [uris(row) for row in r.futures],
            "seeds": list(r.seeds),
            "kept": None if r.kept is None else r.kept.tolist(),
            "chance": r.chance,
            "diversity": r.diversity.tolist(),
            "unrelated_rmse": r.unrelated,
            "calls": r.calls,
        }

    def table(self) -> list[Row]:
        """Return one row a point and future.

        kept and diversity are those of all futures of the point. rmse_to_end is the distance from
        the end of the path.
        """
        r = self.result
        return [
            {
                "n": n,
                "seed": seed,
                "rmse_to_end": rmse,
                "kept": None if r.kept is None else float(r.kept[k]),
                "diversity": float(r.diversity[k]),
            }
            for k, n in enumerate(self.levels)
            for seed, rmse in zip(
                r.seeds, metrics.rmse(r.path.end, r.futures[k]).tolist(), strict=True
            )
        ]

    def tiles(self) -> list[TileRow]:
        """Return picture and end, and for each point its state, the estimate, and the futures."""
        points = [TileRow(f"n = {n}", tuple(self._point(k))) for k, n in enumerate(self.levels)]
        return [TileRow("", self._ends()), *points]

    def _ends(self) -> tuple[Tile, Tile]:
        x0 = tile("x0", "the picture", self.result.x0)
        return x0, tile("end", "the path's end", self.result.path.end)

    def _point(self, k: int) -> list[Tile]:
        """Return the tiles of one branching point."""
        r = self.result
        n = self.levels[k]
        found = [
            tile(f"n-{n}-path", "the path", r.path.x[k]),
            tile(f"n-{n}-estimate", "estimate", r.path.x0_hat[k]),
        ]
        for seed, x in zip(r.seeds, r.futures[k], strict=True):
            found.append(tile(f"n-{n}-seed-{seed}", f"seed {seed}", x))
        return found

    def film(self, schedule: Schedule) -> list[np.ndarray]:
        """Draw the points on the way down with their futures, and last the end of the path."""
        r = self.result
        count = 2 + min(SHOWN, len(r.seeds))
        stills = []
        for k, n in enumerate(self.levels):
            futures = f"futures are {self._alike(k)} alike"
            if r.kept is None or r.attributes == 1:
                futures = f"{len(r.seeds)} futures"
            tiles = tuple(self._point(k)[:count])
            stills.append(Still(tiles, f"n = {n}, {futures}", n / schedule.T, False))
        x0, end = self._ends()
        tiles = (end, x0, *self._point(-1)[2:count])
        stills.append(Still(tiles, "n = 0, where the path ends", 0.0))
        return film(stills, columns=min(4, count), ends=("0", str(schedule.T)))

    def page(self) -> Row:
        """Return the points with their futures, and the curves of what futures share."""
        r = self.result
        states = uris(r.path.x)
        estimates = uris(r.path.x0_hat)
        rows = [
            {
                "n": n,
                "label": f"n = {n}",
                "x": states[k],
                "x0_hat": estimates[k],
                "tiles": self._futures(k),
                "share": self._share(k),
                "text": "" if r.kept is None else self._alike(k),
            }
            for k, n in enumerate(self.levels)
        ]
        lines = self._lines()
        return {
            "rows": rows,
            "end": {"src": uri(r.path.end), "alt": "where the path itself ends"},
            "about": self._about(),
            "measure": self._measure(),
            "lines": lines[:1],
            "more": lines[1:],
            "chance": r.chance,
            "T": self.levels[0],
        }

    def _about(self) -> str:
        """Say what part the visitor's picture plays."""
        left = 100 * self.result.left
        start = f"The path starts at n = {self.levels[0]}"
        if left < SLIGHT:
            played = f"{YOURS.capitalize()} plays no part here."
            return f"{played} {start}, where {left:.1g} % of it is left."
        return f"{start}, where {left:.0f} % of {YOURS} is left."

    def _measure(self) -> str:
        """Say what the bars beside the futures mean."""
        r = self.result
        if r.kept is None:
            return "Bar: how near to each other they end."
        if r.attributes == 1:
            return "Bar: the share of pairs that show the same digit."
        return f"Bar: the share of their {r.attributes} features that two of them have in common."

    def _share(self, k: int) -> float:
        """Return 0..1: the share of attributes in common, or how near the futures are."""
        r = self.result
        if r.kept is not None:
            return float(r.kept[k])
        return max(0.0, 1 - float(r.diversity[k]) / r.unrelated)

    def _futures(self, k: int) -> list[Row]:
        r = self.result
        n = self.levels[k]
        return [
            {
                "src": src,
                "seed": seed,
                "alt": f"from n = {n}, future with seed {seed}",
                "frames": self._frames(k, future),
            }
            for future, (seed, src) in enumerate(zip(r.seeds, uris(r.futures[k]), strict=True))
        ]

    def _frames(self, k: int, future: int) -> list[Row]:
        """Return the states along one future; a state recorded twice in a row appears once."""
        frames = self.result.frames
        levels = frames.levels[:, k, future].tolist()
        states = uris(frames.x[:, k, future], largest=48)
        estimates = uris(frames.x0_hat[:, k, future], largest=48)
        found: list[Row] = []
        for n, x, x0_hat in zip(levels, states, estimates, strict=True):
            if not found or found[-1]["n"] != n:
                found.append({"n": n, "x": x, "x0_hat": x0_hat})
        return found

    def _lines(self) -> list[Row]:
        """Return the curves over n: what futures share, where it can be read, and their RMSE."""
        r = self.result
        rmse = (r.diversity / r.unrelated).tolist()
        lines: list[Row] = [
            {
                "key": "rmse",
                "label": "distance between two ends (RMSE), of that between strangers",
                "points": list(zip(self.levels, rmse, strict=True)),
            }
        ]
        if r.kept is not None:
            label = "features that two ends have in common"
            if r.attributes == 1:
                label = "pairs of ends that show the same digit"
            points = list(zip(self.levels, r.kept.tolist(), strict=True))
            lines.insert(0, {"key": "kept", "label": label, "points": points})
        return lines


def unfinished(progress: Progress, e: Branch) -> dict[str, Any] | None:
    """Return the futures while the network works; None before the path is complete."""
    if len(progress.x0_hat) == 1 and e.futures > 1:
        return None
    tiles = [{"src": src, "alt": "estimate so far"} for src in uris(progress.x0_hat)]
    rows = [tiles[k : k + e.futures] for k in range(0, len(tiles), e.futures)]
    return {"rows": [{"label": "", "tiles": row} for row in rows]}
