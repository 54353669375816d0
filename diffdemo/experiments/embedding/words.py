"""What there is to say and to show of an Embedding."""

from collections.abc import Iterable
from typing import Any

from diffdemo.experiments.embedding import Embedding
from diffdemo.experiments.embedding.findings import EXACT, NAMES, Finding, findings
from diffdemo.experiments.embedding.numbers import numbers_of
from diffdemo.experiments.embedding.results import Code, EmbeddingResult, Swap
from diffdemo.report.pictures import tile, uri, uris
from diffdemo.report.presenter import Presenter, Row
from diffdemo.report.sheets import TileRow
from diffdemo.report.words import MY_OWN, counted, picture_words

ABOUT = {
    "random": "random noise added to your picture, then denoised by DDIM",
    "ddim": "the denoising steps run backwards; back by DDIM",
    "fixed-point": "each step backwards solved until it undoes the step down; back by DDIM",
    "edit-friendly": "random noise, and a record (z) of what every step adds",
    "dpm-encoder": "random noise, and the record (z) of a path drawn from the true posterior",
}
STATISTICS = {
    "mean": "mean",
    "variance": "variance",
    "kurtosis": "excess kurtosis",
    "neighbours": "correlation of neighbouring pixels",
    "distance": "distance to a normal distribution (KS)",
    "picture": "correlation with the picture",
}


class Words(Presenter):
    """Presents an EmbeddingResult."""

    returns = (
        "codes, reconstructions, errors, calls and statistics by method, the bands of true noise, "
        "the kept paths, and the swap test"
    )
    result: EmbeddingResult
    experiment: Embedding

    def sentence(self) -> str:
        """Say of each kind of noise whether it leads back."""
        return " ".join(f"{found.name}: {found.text}." for found in findings(self.result))

    def sentence_for_others(self, own: str = MY_OWN) -> str:
        """Say the same with the picture's name, where it has one."""
        return super().sentence_for_others(picture_words(self.experiment.picture, own))

    def details(self) -> str:
        """List level, steps, warm start and seeds."""
        e = self.experiment
        parts = [f"n = {e.n}", counted(min(e.n, e.steps), "denoising step")]
        if e.warm:
            parts.append(f"warm start {e.warm:g}")
        return ", ".join([*parts, counted(len(e.seeds), "seed")])

    def data(self) -> Row:
        """Return codes, errors and statistics by method."""
        return numbers_of(self.result)

    def table(self) -> list[Row]:
        """Return one row a method and seed; no seed where nothing is drawn."""
        rows = []
        for method, code in self.result.codes.items():
            for row in range(len(code.x_n)):
                numbers = {name: float(values[row]) for name, values in code.statistics.items()}
                rows.append(
                    {
                        "method": method,
                        "n": self.experiment.n,
                        "seed": self._seed(code, row),
                        "came_back": bool(code.came_back[row]),
                        "rmse": float(code.rmse[row]),
                        "largest": float(code.largest[row]),
                        "gaussian": bool(code.gaussian[row]),
                        "calls": code.calls,
                        **numbers,
                    }
                )
        return rows

    def _seed(self, code: Code, row: int) -> int | None:
        """Return the seed of a row; None where the code is the only one there is."""
        drawn = code.method not in ("ddim", "fixed-point") or self.experiment.warm > 0
        return self.experiment.seeds[row] if drawn else None

    def tiles(self) -> list[TileRow]:
        """Return the picture, each code beside what it leads back to, and what codes carry."""
        rows = [TileRow("the picture", (tile("x0", "", self.result.x0),))]
        for code in self.result.codes.values():
            rows += [self._code_tiles(code, row) for row in range(len(code.x_n))]
        swap = self.result.swap
        return rows + (_swap_tiles(swap) if swap else [])

    def _code_tiles(self, code: Code, row: int) -> TileRow:
        seed = self._seed(code, row)
        which = "" if seed is None else f", seed {seed}"
        name = code.method if seed is None else f"{code.method}-seed-{seed}"
        exact = float(code.largest[row]) < EXACT
        error = "exact" if exact else f"RMSE {float(code.rmse[row]):.2g}"
        x_n = tile(f"{name}-code", "the noise", code.x_n[row])
        came_back = bool(code.came_back[row])
        back = tile(f"{name}-reconstruction", error, code.reconstructions[row], came_back)
        return TileRow(f"{NAMES[code.method]}{which}", (x_n, back))

    def page(self) -> Row:
        """Return the findings, a column a method, statistics, charts and the swap test."""
        r = self.result
        picture = {"src": uri(r.x0), "alt": picture_words(self.experiment.picture)}
        return {
            "picture": picture,
            "findings": [self._finding(found) for found in findings(r)],
            "columns": [self._column(code) for code in r.codes.values()],
            "table": self._statistics(),
            "errors": _errors(r),
            "paths": _paths(r),
            "swap": r.swap and self._swap(r.swap, picture),
            "n": self.experiment.n,
        }

    def _finding(self, found: Finding) -> Row:
        """Return one finding with the noises it shows first, and where they led."""
        pairs = []
        for code, row in found.rows:
            back = bool(code.came_back[row])
            seed = self._seed(code, row)
            label = NAMES[code.method] if seed is None else f"seed {seed}"
            which = f"{NAMES[code.method]}, {label}" if seed is not None else label
            pairs.append(
                {
                    "x_n": uri(code.x_n[row]),
                    "x_n_alt": f"{which}, the noise",
                    "back": uri(code.reconstructions[row]),
                    "back_alt": f"{which}, {'came back' if back else 'another picture'}",
                    "came_back": back,
                    "label": label,
                }
            )
        text = f"{found.text[0].upper()}{found.text[1:]}."
        return {"name": found.name, "about": found.about, "text": text, "pairs": pairs}

    def _column(self, code: Code) -> Row:
        count = len(code.x_n)
        back = int(code.came_back.sum())
        how = ""
        if back == count:
            how = "exactly" if bool((code.largest < EXACT).all()) else "nearly"
        verdict = f"✓ comes back {how}" if back == count else f"≠ {back} of {count} come back"
        return {
            "method": code.method,
            "name": NAMES[code.method],
            "about": ABOUT[code.method],
            "rows": self._pairs(code),
            "back": back == count,
            "verdict": verdict,
            "facts": [{"term": term, "value": value} for term, value in _facts(code)],
        }

    def _pairs(self, code: Code) -> list[Row]:
        """Return each code with what it leads back to."""
        several = len(code.x_n) > 1
        pairs = []
        ends = zip(uris(code.x_n), uris(code.reconstructions), strict=True)
        for row, (x_n, back) in enumerate(ends):
            seed = f"seed {self.experiment.seeds[row]}" if several else ""
            name = f"{NAMES[code.method]}, {seed}" if several else NAMES[code.method]
            rmse = f"RMSE {float(code.rmse[row]):.2g}"
            error = f"{rmse}, worst pixel {float(code.largest[row]):.2g}"
            pairs.append(
                {
                    "x_n": x_n,
                    "back": back,
                    "came_back": bool(code.came_back[row]),
                    "x_n_alt": f"{name}, the noise",
                    "back_alt": f"{name}, what it leads back to, {error}",
                    "label": seed,
                }
            )
        return pairs

    def _statistics(self) -> Row:
        """Return each statistic of each method, its mean over the rows, with the band of noise."""
        r = self.result
        rows = []
        for name, band in r.bands.items():
            cells = []
            for code in r.codes.values():
                value = float(code.statistics[name].mean())
                side = ""
                if value > band.high:
                    side = "above"
                elif value < band.low:
                    side = "below"
                cells.append({"text": f"{value:.3f}", "side": side})
            expected = f"{band.expected:.2f}".replace("-0.00", "0.00")
            edges = f"{band.low:.2f} to {band.high:.2f}"
            label = STATISTICS[name]
            rows.append({"label": label, "expected": expected, "cells": cells, "band": edges})
        names = [NAMES[method] for method in r.codes]
        return {"columns": names, "rows": rows, "own": self._own_correlation()}

    def _own_correlation(self) -> str | None:
        if self.result.own is None:
            return None
        correlation = f"{float(self.result.own.mean()):.2f}"
        return (
            f"Fresh noise and the picture it leads to are correlated too, by {correlation} here: "
            "some correlation is no sign of a bad noise."
        )

    def _swap(self, swap: Swap, picture: dict[str, str]) -> Row:
        """Return what the codes of A and B carry."""
        replays = []
        for method, x in swap.replays.items():
            to_a = f"{swap.to_a[method]:.2g}"
            to_b = f"{swap.to_b[method]:.2g}"
            replays.append(
                {
                    "src": uri(x),
                    "name": NAMES[method],
                    "text": f"RMSE to A {to_a}, to B {to_b}",
                    "alt": f"A's record of {NAMES[method]}, used from B's noise",
                }
            )
        mixtures = []
        for share, src in zip(swap.shares, uris(swap.mixtures), strict=False):
            percent = f"{100 * share:.0f}"
            alt = f"{percent} percent of the way from A's noise to B's"
            mixtures.append({"src": src, "share": f"{percent} %", "alt": alt})
        other = {"src": uri(swap.other), "alt": picture_words(self.experiment.other)}
        ends = {"a": picture, "b": other, "seed": swap.seed}
        return {**ends, "replays": replays, "mixtures": mixtures}


def _facts(code: Code) -> list[tuple[str, str]]:
    count = len(code.gaussian)
    passed = int(code.gaussian.sum())
    like_noise = "yes"
    if passed < count:
        like_noise = f"{passed} of {count}" if count > 1 else "no"
    facts = [
        ("RMSE", f"{float(code.rmse.mean()):.2g}"),
        ("worst pixel", f"{float(code.largest.max()):.2g}"),
        ("network calls", f"{code.calls:.0f}"),
        ("ordinary noise", like_noise),
    ]
    if code.residual is not None:
        facts.append(("residual", f"{code.residual:.1g}"))
    return facts


def _errors(r: EmbeddingResult) -> Row | None:
    """Return the round-trip error against steps."""
    lines = r.errors_by_steps.items()
    series = [_line(method, NAMES[method], *line) for method, line in lines]
    return {"series": series} if series else None


def _paths(r: EmbeddingResult) -> Row | None:
    """Return variance and correlation of neighbours of the kept z, over n."""
    if not r.paths:
        return None
    variance = []
    correlation = []
    for method, path in r.paths.items():
        levels = path.levels.tolist()
        variance.append(_line(method, NAMES[method], levels, path.variance.tolist()))
        correlation.append(_line(method, NAMES[method], levels[:-1], path.correlation.tolist()))
    own = r.paths.get("edit-friendly")
    if own is not None:
        label = "theory for edit-friendly"
        theory = _line("theory", label, own.levels.tolist(), own.expected.tolist())
        variance.append({**theory, "dashed": True})
    return {"variance": variance, "correlation": correlation, "n": r.experiment.n}


def _line(key: str, label: str, x: Iterable[Any], y: Iterable[float]) -> Row:
    """Return one line of a chart."""
    return {"key": key, "label": label, "points": list(zip(x, y, strict=True))}


def _swap_tiles(swap: Swap) -> list[TileRow]:
    rows = [TileRow("second picture B", (tile("other", "", swap.other),))]
    replays = [tile(f"swap-{method}", method, x) for method, x in swap.replays.items()]
    if replays:
        rows.append(TileRow("B's noise, A's record", tuple(replays)))
    mixtures = []
    for k, x in enumerate(swap.mixtures):
        mixtures.append(tile(f"mixture-{k}-of-8", f"{100 * swap.shares[k]:.0f} %", x))
    if mixtures:
        rows.append(TileRow("from A's noise to B's", tuple(mixtures)))
    return rows
