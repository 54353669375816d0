"""What there is to say of a RoundTrip."""

from typing import Any

from diffdemo.lab import RoundTripResult
from diffdemo.report.pictures import uris


def sentence(result: RoundTripResult) -> str:
    """The result in plain words, with its numbers."""
    e, count, back = result.experiment, len(result.x_n), int(result.came_back.sum())
    if e.n == 0:
        return "No noise was added, so the picture is untouched: every seed gives back the very same pixels."
    noises = "1 noise" if count == 1 else f"{count} noises"
    what = f"Of {noises} of {e.n} steps, {back} brought your picture back"
    if e.start == "noise":
        what = f"Of {noises} with no picture in them at all, {back} led to your picture"
    if result.kept is None:
        return f"{what}; the average distance to it is {_share(result)} of that between unrelated pictures."
    if result.attributes == 1:
        return f"{what}; {int(result.kept.sum())} still show the same digit."
    return f"{what}; on average {float(result.kept.mean()) * result.attributes:.1f} of its {result.attributes} visible attributes survived."


def _share(result: RoundTripResult) -> str:
    return f"{100 * float(result.rmse.mean()) / result.unrelated:.0f} %"


def note(result: RoundTripResult) -> str:
    """The settings in small print."""
    e = result.experiment
    how = "deterministic" if e.eta == 0 else f"eta {e.eta:g}"
    calls = min(e.n, e.steps)
    setting = f"Model {e.model} {e.revision}, {calls} network calls, {e.solver}, {how}, float32, {result.seconds:.1f} s."
    return f"{setting} Mean RMSE {float(result.rmse.mean()):.3f}, unrelated pictures {result.unrelated:.3f}."


def as_json(result: RoundTripResult) -> dict[str, Any]:
    """The result for the API: the sentence, the link's query, numbers by seed, pictures as data URIs."""
    return {
        "sentence": sentence(result), "query": result.experiment.to_query(), "seeds": list(result.experiment.seeds),
        "came_back": result.came_back.tolist(), "rmse": result.rmse.tolist(), "unrelated_rmse": result.unrelated,
        "kept": None if result.kept is None else result.kept.tolist(), "attributes": result.attributes, "seconds": result.seconds,
        "x0": uris(result.x0)[0], "x_n": uris(result.x_n), "reconstructions": uris(result.reconstructions),
    }  # fmt: skip
