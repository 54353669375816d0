"""What there is to say of a Branch."""

from typing import Any

from diffdemo.lab import BranchResult, crossing
from diffdemo.report.pictures import uris


def sentence(result: BranchResult) -> str:
    """What futures from the first and the last point share, and where half of the way is, in plain words with numbers."""
    levels, count = result.path.levels.tolist(), len(result.seeds)
    first, last = alike(result, 0), alike(result, len(levels) - 1)
    if result.kept is None:
        return f"From n = {levels[0]}, {count} futures are {first}; from n = {levels[-1]}, {last}."
    chance = f"unrelated pictures: {100 * result.chance:.0f} %"
    if result.attributes == 1:
        text = f"From n = {levels[0]}, {first} of the pairs among {count} futures show the same digit ({chance})"
    else:
        text = f"From n = {levels[0]}, {count} futures share {first} of their attributes ({chance})"
    text += f"; from n = {levels[-1]}, {last}"
    half = crossing(levels[::-1], result.kept.tolist()[::-1], (1 + result.chance) / 2)
    return f"{text}; half of that way is passed at n = {half:.0f}." if half else f"{text}."


def alike(result: BranchResult, point: int) -> str:
    """What the futures of one point still share, as a percentage; without a reader, how far apart they are."""
    if result.kept is None:
        return f"{100 * float(result.diversity[point]) / result.unrelated:.0f} % as far apart as unrelated pictures"
    return f"{100 * float(result.kept[point]):.0f} %"


def note(result: BranchResult) -> str:
    """The settings in small print."""
    e = result.experiment
    jump = f", climbing back {e.jump} steps each time" if e.jump else ""
    rows = f"{len(result.path.levels)} points x {len(result.seeds)} futures"
    return (
        f"Model {e.model} {e.revision}, {rows} in one batch, {e.steps} steps, eta 1{jump}, path from seed {e.seed}, float32, {result.seconds:.1f} s."
    )


def as_json(result: BranchResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, the path, its futures and what they share by point."""
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "levels": result.path.levels.tolist(), "path": uris(result.path.x),
        "end": uris(result.path.end)[0], "futures": [uris(row) for row in result.futures], "seeds": list(result.seeds),
        "kept": None if result.kept is None else result.kept.tolist(), "chance": result.chance, "diversity": result.diversity.tolist(),
        "unrelated_rmse": result.unrelated, "calls": result.calls, "seconds": result.seconds,
    }  # fmt: skip
