"""What there is to say and to show of a Collision."""

import math

from diffdemo.experiments.collision import Collision
from diffdemo.experiments.collision.run import CollisionResult
from diffdemo.report.pictures import tile, uri, uris
from diffdemo.report.presenter import Presenter, Row
from diffdemo.report.sheets import TileRow
from diffdemo.report.words import counted, picture_words

EVEN = 0.05  # log10 of odds below which they are called equal
THOUSANDS = ((12, "trillion"), (9, "billion"), (6, "million"))


class Words(Presenter):
    """Presents a CollisionResult."""

    returns = "x_n, both noises, the exact odds, and the ways back with what was read in them"
    result: CollisionResult
    experiment: Collision

    def sentence(self) -> str:
        """Say how ordinary B's noise is, how much likelier A is, and whose picture came back."""
        r = self.result
        if bool((r.x0 == r.other).all()):
            same = "A and B are the same picture"
            return f"{same}, so they share every noise and nothing can tell them apart."
        made = f"At n = {self.experiment.n}, one noisy picture can be made from A or from B"
        return f"{made}. The noise B needs {self._length()}. {self._odds()}. {self._ends()}."

    def _length(self) -> str:
        """Say how the noise that B needs compares with ordinary noise by its size."""
        p = self.result.plausibility
        if abs(p.mean_square - 1) <= p.spread:
            return "looks ordinary"
        if p.mean_square < 1:
            return "is too weak to be ordinary"
        return "is far too strong to be ordinary" if p.p_value < 1e-6 else "is a little too strong"

    def _odds(self) -> str:
        """Say which of the two is more likely, and by how much."""
        log10 = self._log10_odds
        if abs(log10) < EVEN:
            return "A and B are about equally likely"
        one, other = ("A", "B") if log10 > 0 else ("B", "A")
        return f"{one} is {times(abs(log10))} times likelier than {other}"

    def _ends(self) -> str:
        """Say how many tries ended at A, at B and at other pictures."""
        r = self.result
        count = len(r.seeds)
        if count == 1:
            who = self._ended(0)
            return f"The one try came back as {'another picture' if who == 'other' else who}"
        a = int(r.a.sum())
        b = int(r.b.sum())
        rest = count - a - b
        ends = [f"{_few(a)} came back as A", f"{_few(b)} as B", f"{_few(rest)} as other pictures"]
        return f"Of {count} tries, {', '.join(ends)}"

    @property
    def _log10_odds(self) -> float:
        """The odds A : B, as a power of ten."""
        return -self.result.log_odds / math.log(10)

    def details(self) -> str:
        """List the seed on A, the steps back, and eta with the seeds of the ways back."""
        e = self.experiment
        seeds = self.result.seeds
        steps = counted(min(e.n, e.steps), "denoising step")
        fresh = f"eta {e.eta:g}, seeds {seeds[0]} to {seeds[-1]}" if e.eta else "deterministic"
        return f"noise on A from seed {e.seed}, back with {steps}, {fresh}"

    def data(self) -> Row:
        """Return the shared x_n, both noises, the odds and the ways back."""
        r = self.result
        return {
            "x_n": uri(r.x_n),
            "eps_a": uri(r.eps_a),
            "eps_b": uri(r.eps_b),
            "log_odds": r.log_odds,
            "mean_square": r.plausibility.mean_square,
            "spread": r.plausibility.spread,
            "p_value": r.plausibility.p_value,
            "levels": list(r.levels),
            "log10_odds": r.odds.tolist(),
            "seeds": list(r.seeds),
            "a": r.a.tolist(),
            "b": r.b.tolist(),
            "kept_a": None if r.kept_a is None else r.kept_a.tolist(),
            "kept_b": None if r.kept_b is None else r.kept_b.tolist(),
            "reconstructions": uris(r.reconstructions),
        }

    def table(self) -> list[Row]:
        """Return one row a way back."""
        r = self.result
        return [
            {
                "seed": seed,
                "n": self.experiment.n,
                "ended": self._ended(row),
                "kept_a": None if r.kept_a is None else float(r.kept_a[row]),
                "kept_b": None if r.kept_b is None else float(r.kept_b[row]),
            }
            for row, seed in enumerate(r.seeds)
        ]

    def _ended(self, row: int) -> str:
        """Return whose picture a way back led to: "A", "B" or "other"."""
        if self.result.a[row]:
            return "A"
        return "B" if self.result.b[row] else "other"

    def tiles(self) -> list[TileRow]:
        """Return A and B with their noises, the x_n they share, and the ways back from it."""
        r = self.result
        ways = []
        for row, seed in enumerate(r.seeds):
            ended = self._ended(row)
            found = ended != "other"
            label = f"{ended}, seed {seed}" if found else f"seed {seed}"
            ways.append(tile(f"seed-{seed}-reconstruction", label, r.reconstructions[row], found))
        a = (tile("x0", "A", r.x0), tile("eps_a", "noise on A", r.eps_a))
        b = (tile("other", "B", r.other), tile("eps_b", "noise B needs", r.eps_b))
        x_n = tile("x_n", f"x_n, n = {self.experiment.n}", r.x_n)
        return [
            TileRow("picture A", a),
            TileRow("picture B", b),
            TileRow("both lead to", (x_n,)),
            TileRow("ways back", tuple(ways)),
        ]

    def page(self) -> Row:
        """Return both equations, the numbers, the curve of the odds and the ways back."""
        r = self.result
        e = self.experiment
        return {
            "same": bool((r.x0 == r.other).all()),
            "a": {"src": uri(r.x0), "alt": f"A, {picture_words(e.picture)}"},
            "b": {"src": uri(r.other), "alt": f"B, {picture_words(e.other)}"},
            "x_n": {"src": uri(r.x_n), "alt": f"the one noisy picture at n = {e.n}"},
            "eps_a": {"src": uri(r.eps_a), "alt": "the noise on A"},
            "eps_b": {"src": uri(r.eps_b), "alt": "the noise that B needs"},
            "n": e.n,
            "T": r.T,
            "signal": f"{r.signal:.3f}",
            "spread": f"{r.spread:.3f}",
            "reading": self._reading(),
            "facts": self._facts(),
            "odds": list(zip(r.levels, r.odds.tolist(), strict=True)),
            "ways": self._ways(),
        }

    def _reading(self) -> str:
        """Say what stands below each try; "" where nothing can be read."""
        if self.result.kept_a is None or self.result.kept_b is None:
            return ""
        if max(self.result.attributes) == 1:
            return "Below each: whose digit is read in it."
        return "Below each: how many of the features of A, and of B, are read in it."

    def _facts(self) -> list[Row]:
        a = self.result.of_eps_a
        b = self.result.plausibility
        log10 = self._log10_odds
        band = f"ordinary noise: 1 ± {b.spread:.2f}"
        longer = f"{band}; as strong or stronger: {_percent(b.p_value)}"
        ratio = "log10 of the likelihood ratio, A over B"
        rows = [
            ("mean square of the noise on A", f"{a.mean_square:.3f}", band),
            ("mean square of the noise B needs", f"{b.mean_square:.3f}", longer),
            (ratio, f"{log10:+.2f}", "how much better A explains x_n"),
            ("exact odds A : B", _ratio(log10), "both equally likely before"),
        ]
        return [{"term": term, "value": value, "help": text} for term, value, text in rows]

    def _ways(self) -> list[Row]:
        ways = []
        pictures = uris(self.result.reconstructions)
        for row, (seed, src) in enumerate(zip(self.result.seeds, pictures, strict=True)):
            ended = self._ended(row)
            found = ended != "other"
            read = self._read(row)
            words = [f"seed {seed}", f"{ended} came back" if found else "another picture", read]
            way = {
                "seed": seed,
                "src": src,
                "who": ended if found else "",
                "verdict": f"✓ {ended}" if found else "≠",
                "read": read,
                "alt": ", ".join(word for word in words if word),
            }
            ways.append(way)
        return ways

    def _read(self, row: int) -> str:
        """Say how much of A and of B was read in a way back; "" where nothing can be read."""
        r = self.result
        shares = []
        for name, kept, count in zip("AB", (r.kept_a, r.kept_b), r.attributes, strict=True):
            if kept is None:
                continue
            share = float(kept[row])
            if count == 1:
                shares.append(f"digit of {name}" if share else f"not {name}'s digit")
            else:
                shares.append(f"{round(share * count)} of {count} as {name}")
        return ", ".join(shares)


def times(log10: float) -> str:
    """Write how many times likelier something is, given as a power of ten of at least 0."""
    if log10 < 3:
        return f"{10**log10:.3g}"
    if log10 < 6:
        return f"{float(f'{10**log10:.2g}'):,.0f}"
    if log10 >= 15:
        return f"10^{log10:.0f}"
    power, word = next(known for known in THOUSANDS if log10 >= known[0])
    return f"{10 ** (log10 - power):.3g} {word}"


def _few(count: int) -> str:
    """Write a count, the smallest in words."""
    return {0: "none", 1: "one"}.get(count, str(count))


def _percent(p: float) -> str:
    if p <= 1e-300:
        return "0 %"
    return f"{100 * p:.1f} %" if p >= 0.001 else f"{100 * p:.0e} %"


def _ratio(log10: float) -> str:
    """Write odds, given as a power of ten, as "12 : 1" or "1 : 10^7"."""
    size = abs(log10)
    times = f"10^{size:.0f}" if size >= 4 else f"{10**size:.3g}"
    return f"{times} : 1" if log10 >= 0 else f"1 : {times}"
