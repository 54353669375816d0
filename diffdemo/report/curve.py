"""What there is to say of a Curve."""

from typing import Any

from torch import Tensor

from diffdemo.lab import CurveResult, crossing
from diffdemo.report.pictures import uris


def sentence(result: CurveResult) -> str:
    """Where half of what was known is gone, and where the picture changes, in plain words with numbers."""
    levels, parts = result.experiment.levels, []
    if result.bits_known is not None and (half := crossing(levels, means(result.bits_known), result.bits / 2)) is not None:
        parts.append(f"half of the {result.bits:.1f} bits that single this picture out are gone at n = {half:.0f}")
    if (turn := crossing(levels, means(result.came_back), 0.5)) is not None:
        parts.append(f"from n = {turn:.0f} on fewer than half of the noises bring it back")
    if result.kept is not None and (fall := crossing(levels, means(result.kept), (1 + result.chance) / 2)) is not None:
        parts.append(f"the digit changes at n = {fall:.0f}" if result.attributes == 1 else f"half of what shows in it is lost at n = {fall:.0f}")
    text = "; ".join(parts) or "nothing is lost between the levels asked for"
    return f"{text[0].upper()}{text[1:]}."


def note(result: CurveResult) -> str:
    """The settings in small print."""
    e = result.experiment
    how = "deterministic" if e.eta == 0 else f"eta {e.eta:g}"
    rows = f"{len(e.levels)} levels x {len(e.seeds)} seeds in one batch, at most {e.steps} network calls each"
    return f"Model {e.model} {e.revision}, {rows}, {e.solver}, {how}, float32, {result.seconds:.1f} s."


def means(table: Tensor) -> list[float]:
    """(L, S) → L means over the seeds."""
    return table.double().mean(1).tolist()


def by_seed(x: Tensor) -> list[list[str]]:
    """(L, S, C, H, W) → a row of data URIs for each seed."""
    L, S = x.shape[:2]
    flat = uris(x.flatten(0, 1))
    return [[flat[level * S + seed] for level in range(L)] for seed in range(S)]


def as_json(result: CurveResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, numbers by level and seed, the reconstructions by seed."""
    tables = {"came_back": result.came_back, "kept": result.kept, "rmse": result.rmse, "bits_known": result.bits_known, "p_true": result.p_true}
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "levels": list(result.experiment.levels),
        "seeds": list(result.experiment.seeds), **{name: None if table is None else table.tolist() for name, table in tables.items()},
        "bits": result.bits, "chance": result.chance, "unrelated_rmse": result.unrelated, "speciation": result.speciation,
        "attributes": result.attributes, "reconstructions": by_seed(result.reconstructions), "seconds": result.seconds,
    }  # fmt: skip
