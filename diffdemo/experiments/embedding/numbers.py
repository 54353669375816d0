"""The numbers of an Embedding, for JSON."""

from diffdemo.diffusion.gaussianity import Band
from diffdemo.diffusion.kept_paths import PathStatistics
from diffdemo.experiments.embedding.results import Code, EmbeddingResult, Swap
from diffdemo.report.pictures import uri, uris
from diffdemo.report.presenter import Row


def numbers_of(r: EmbeddingResult) -> Row:
    """Return codes, errors and statistics by method; pictures are data URIs."""
    errors = {
        method: {"steps": list(steps), "rmse": list(rmse)}
        for method, (steps, rmse) in r.errors_by_steps.items()
    }
    return {
        "codes": {method: _code(code) for method, code in r.codes.items()},
        "bands": {name: _band(band) for name, band in r.bands.items()},
        "errors_by_steps": errors,
        "paths": {method: _path(path) for method, path in r.paths.items()},
        "swap": r.swap and _swap(r.swap),
    }


def _code(code: Code) -> Row:
    return {
        "x_n": uris(code.x_n),
        "reconstructions": uris(code.reconstructions),
        "rmse": code.rmse.tolist(),
        "largest": code.largest.tolist(),
        "came_back": code.came_back.tolist(),
        "calls": code.calls,
        "residual": code.residual,
        "gaussian": code.gaussian.tolist(),
        "statistics": {name: values.tolist() for name, values in code.statistics.items()},
    }


def _band(band: Band) -> Row:
    return {"expected": band.expected, "low": band.low, "high": band.high}


def _path(path: PathStatistics) -> Row:
    return {
        "levels": path.levels.tolist(),
        "variance": path.variance.tolist(),
        "expected": path.expected.tolist(),
        "correlation": path.correlation.tolist(),
    }


def _swap(swap: Swap) -> Row:
    return {
        "replays": {method: uri(x) for method, x in swap.replays.items()},
        "to_a": swap.to_a,
        "to_b": swap.to_b,
        "shares": list(swap.shares),
        "mixtures": uris(swap.mixtures),
    }
