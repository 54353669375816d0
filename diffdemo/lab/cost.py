"""What an experiment costs before it is run: network calls, each for one picture."""

from diffdemo.experiment import WAYS_BACK, Belief, Branch, Collision, Curve, Embedding, Experiment, RoundTrip
from diffdemo.lab.branch import arrivals, plan
from diffdemo.lab.embedding import CURVE, FEW, MIX
from diffdemo.schedule import Schedule


def network_calls(e: Experiment, schedule: Schedule) -> int:
    """How often the network sees one picture in a run; nearly, where fixed points are solved.

    Args:
        e: any of the six.
        schedule: that of its model.
    """
    if isinstance(e, RoundTrip):
        return len(e.seeds) * min(e.n, e.steps)
    if isinstance(e, Curve):
        return len(e.seeds) * sum(min(n, e.steps) for n in e.levels)
    if isinstance(e, Collision):
        return (WAYS_BACK if e.eta else 1) * min(e.n, e.steps)
    if isinstance(e, Branch):
        return _branch(e, schedule)
    if isinstance(e, Embedding):
        return _embedding(e)
    return int(isinstance(e, Belief) and e.n > 0)


def _branch(e: Branch, schedule: Schedule) -> int:
    """The path, its futures, and the guess at each point."""
    _, places, ways = plan(e, schedule)
    calls = [len(arrivals(way)) for way in ways]
    return calls[0] + e.futures * sum(calls) + len(places)


def _embedding(e: Embedding) -> int:
    """Up and down for every code, the curve of errors, and the swap test."""
    calls, seeds = min(e.n, e.steps), len(e.seeds)
    curve = {method: sum(min(e.n, k) for k in steps if k != e.steps) for method, steps in CURVE.items()}
    once = (len(e.seeds) if e.warm else 1) * calls
    costs = {
        "random": seeds * calls, "ddim": 2 * (once + curve["ddim"]), "fixed-point": (FEW + 1) * (once + curve["fixed-point"]),
        "edit-friendly": 2 * seeds * calls, "dpm-encoder": 2 * seeds * calls,
    }  # fmt: skip
    kept = sum(method in e.methods for method in ("edit-friendly", "dpm-encoder"))
    swap = (kept + ("ddim" in e.methods) * (1 + len(MIX))) * calls if e.other else 0
    return sum(costs[method] for method in e.methods) + swap
