"""What there is to say of an Embedding."""

from typing import Any

from diffdemo.inversion import PathStatistics
from diffdemo.lab import Code, EmbeddingResult
from diffdemo.report.pictures import tile, uris
from diffdemo.sheets import TileRow
from diffdemo.terms import counted

# over the API
RETURNS = "codes, reconstructions, errors, calls and statistics by method, the bands of true noise, the kept paths, and the swap test"
EXACT = 1e-4  # "exact" means a largest error below this, in float32


NAMES = {
    "random": ("Random noise", "the noise a seed names, laid on the picture; back by DDIM"),
    "ddim": ("DDIM inversion", "the sampler run upwards; back by DDIM"),
    "fixed-point": ("Fixed point", "each step up solved until it undoes the step down; back by DDIM"),
    "edit-friendly": ("Edit-friendly DDPM", "random noise, and with it the kept z of every step"),
    "dpm-encoder": ("DPM-Encoder", "random noise, and the kept z of a path drawn from the true posterior"),
}


def sentence(result: EmbeddingResult) -> str:
    """Which codes come back, which pass as noise, and what it takes to have many of them."""
    codes, parts = result.codes, []
    if (code := codes.get("random")) is not None:
        count = len(code.x_n)
        parts.append(f"of {counted(count, 'random noise')} {int(code.gaussian.sum())} passed as Gaussian and {int(code.came_back.sum())} led back")
    if inverted := [code for code in (codes.get("ddim"), codes.get("fixed-point")) if code is not None]:
        parts.append(_inversions(inverted))
    kept = [code for code in (codes.get("edit-friendly"), codes.get("dpm-encoder")) if code is not None]
    if kept:
        exact, total = sum(int((code.largest < EXACT).sum()) for code in kept), sum(len(code.x_n) for code in kept)
        many = ": one picture, many codes, but only while the path is kept" if exact > 1 else ""
        parts.append(f"with the path kept, {exact} of {counted(total, 'noise')} gave back the very same picture{many}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _inversions(codes: list[Code]) -> str:
    """How far from the picture the inverted codes end, and how many of them pass."""
    names = {"ddim": "DDIM inversion", "fixed-point": "the fixed point"}
    ends = ", ".join(f"{names[code.method]} to RMSE {float(code.rmse.mean()):.2g}" for code in codes).replace(" to", " led back to", 1)
    passed, total = sum(int(code.gaussian.sum()) for code in codes), sum(len(code.gaussian) for code in codes)
    return f"{ends}, from codes of which {passed} of {total} passed"


def note(result: EmbeddingResult) -> str:
    """The settings in small print."""
    e = result.experiment
    warm = f", warm start {e.warm:g}" if e.warm else ""
    steps, seeds = counted(min(e.n, e.steps), "step"), counted(len(e.seeds), "seed")
    return f"Model {e.model} {e.revision}, n = {e.n}, {steps}{warm}, {seeds}, {result.seconds:.1f} s."


def as_json(result: EmbeddingResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, and by method the codes, what they lead back to, errors, calls and statistics."""
    codes = {
        method: {
            "x_n": uris(code.x_n), "reconstructions": uris(code.reconstructions), "rmse": code.rmse.tolist(), "largest": code.largest.tolist(),
            "came_back": code.came_back.tolist(), "calls": code.calls, "residual": code.residual, "gaussian": code.gaussian.tolist(),
            "statistics": {name: values.tolist() for name, values in code.statistics.items()},
        }
        for method, code in result.codes.items()
    }  # fmt: skip
    swap = result.swap
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "codes": codes,
        "bands": {name: {"expected": b.expected, "low": b.low, "high": b.high} for name, b in result.bands.items()},
        "errors_by_steps": {m: {"steps": list(steps), "rmse": list(errors)} for m, (steps, errors) in result.errors_by_steps.items()},
        "paths": {m: _path_json(found) for m, found in result.paths.items()}, "seconds": result.seconds,
        "swap": swap and {"replays": {m: uris(x)[0] for m, x in swap.replays.items()}, "to_a": swap.to_a, "to_b": swap.to_b,
                          "shares": list(swap.shares), "mixtures": uris(swap.mixtures) if len(swap.mixtures) else []},
    }  # fmt: skip


def _path_json(found: PathStatistics) -> dict[str, Any]:
    return {
        "levels": found.levels.tolist(), "variance": found.variance.tolist(), "expected": found.expected.tolist(),
        "correlation": found.correlation.tolist(),
    }  # fmt: skip


def table(result: EmbeddingResult) -> list[dict[str, Any]]:
    """One row a method and seed; no seed where nothing is drawn."""
    return [
        {"method": method, "n": result.experiment.n, "seed": _seed(result, code, row), "came_back": bool(code.came_back[row]),
         "rmse": float(code.rmse[row]), "largest": float(code.largest[row]), "gaussian": bool(code.gaussian[row]), "calls": code.calls,
         **{name: float(values[row]) for name, values in code.statistics.items()}}
        for method, code in result.codes.items() for row in range(len(code.x_n))
    ]  # fmt: skip


def _seed(result: EmbeddingResult, code: Code, row: int) -> int | None:
    """The seed of a row; None where the code is the only one there is."""
    drawn = code.method not in ("ddim", "fixed-point") or result.experiment.warm > 0
    return result.experiment.seeds[row] if drawn else None


def tiles(result: EmbeddingResult) -> list[TileRow]:
    """The picture, each code beside what it leads back to, and with a second picture what the codes carry."""
    rows = [TileRow("the picture", (tile("x0", "", result.x0),))]
    for method, code in result.codes.items():
        for row in range(len(code.x_n)):
            seed = _seed(result, code, row)
            which = "" if seed is None else f", seed {seed}"
            name = method if seed is None else f"{method}-seed-{seed}"
            error = "exact" if float(code.largest[row]) < EXACT else f"RMSE {float(code.rmse[row]):.2g}"
            back = tile(f"{name}-reconstruction", error, code.reconstructions[row], bool(code.came_back[row]))
            rows.append(TileRow(f"{NAMES[method][0]}{which}", (tile(f"{name}-code", "code x_n", code.x_n[row]), back)))
    return rows + _swap(result)


def _swap(result: EmbeddingResult) -> list[TileRow]:
    swap = result.swap
    if swap is None:
        return []
    rows = [TileRow("second picture B", (tile("other", "", swap.other),))]
    if swap.replays:
        rows.append(TileRow("B's x_n, A's path", tuple(tile(f"swap-{method}", method, x) for method, x in swap.replays.items())))
    if len(swap.mixtures):
        mixtures = zip(swap.shares, swap.mixtures, strict=True)
        rows.append(TileRow("from A's code to B's", tuple(tile(f"mixture-{k}-of-8", f"{100 * s:.0f} %", x) for k, (s, x) in enumerate(mixtures))))
    return rows
