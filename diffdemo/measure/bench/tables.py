"""Timings and memory as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan

from diffdemo.measure.bench import OURS, PLAIN, SIDE, Comparison, Timing
from diffdemo.measure.bench.memory import MB, Usage
from diffdemo.report.markdown import table

COLUMNS = (
    "seeds",
    "",
    "seconds",
    "time over ours",
    "middle half",
    "images/s",
    "share of matrix rate",
    "memory, MB",
    "largest difference",
)


def comparison_table(
    found: Sequence[Comparison], memory: Mapping[tuple[str, int], Usage]
) -> Iterator[str]:
    """Write comparisons of one model as a table, and how far ahead ours is.

    Args:
        found: one a number of seeds.
        memory: sampler and seeds → its memory, where it was measured.
    """
    rows = []
    for comparison in found:
        for timing in (*comparison.timings, comparison.twin):
            usage = memory.get((timing.name, comparison.seeds))
            rows.append(_row(comparison, timing, usage))
    yield from table(COLUMNS, rows)
    yield ""
    seeds = ", ".join(str(c.seeds) for c in found)
    ours = _numbers(c.against_best(OURS.name) for c in found)
    yield f"Best other's time over ours with {seeds} seeds: {ours};"
    plain = _numbers(c.against_best(PLAIN.name) for c in found)
    yield f"over ours with diffusers' forward: {plain};"
    yield f"ours a second time over ours: {_numbers(c.twin.ratio for c in found)}."
    rates = ", ".join(f"{c.rate / 1e9:.0f}" for c in found)
    yield f"Matrix product of {SIDE} x {SIDE}: {rates} GFLOP/s."
    yield (
        "Memory is the rise of a process's own high-water mark, runs with fewer seeds before; "
        "differences are on the [-1, 1] scale."
    )
    yield from found[0].left_out


def _row(comparison: Comparison, timing: Timing, usage: Usage | None) -> list[object]:
    return [
        comparison.seeds,
        timing.name,
        f"{timing.seconds:.3g}",
        f"{timing.ratio:.3f}",
        f"{timing.low:.2f} - {timing.high:.2f}",
        f"{comparison.seeds / timing.seconds:.2f}",
        f"{comparison.share(timing):.0%}",
        f"{usage.rise / MB:.0f}" if usage else "–",
        _difference(timing),
    ]


def timing_table(timings: Sequence[Timing], first: str) -> list[str]:
    """Write timings as a table; the ratios are over `first`."""
    head = ["", "seconds", f"time over {first}", "middle half", "largest difference"]
    rows = []
    for t in timings:
        half = f"{t.low:.2f} - {t.high:.2f}"
        rows.append([t.name, f"{t.seconds:.2f}", f"{t.ratio:.2f}", half, _difference(t)])
    return table(head, rows)


def _difference(timing: Timing) -> str:
    return "–" if isnan(timing.difference) else f"{timing.difference:.0e}"


def _numbers(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:.3f}" for number in numbers)
