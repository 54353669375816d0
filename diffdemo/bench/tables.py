"""What was measured, as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan

from diffdemo.bench import OURS, PLAIN, SIDE, Comparison, Timing
from diffdemo.bench.memory import MB, Usage

HEAD = (
    "| seeds | | seconds | time over ours | middle half | images/s | share of matrix rate | memory, MB | largest difference |",
    "|---|---|---|---|---|---|---|---|---|",
)
NOTHING = "–"


def comparison_table(found: Sequence[Comparison], memory: Mapping[tuple[str, int], Usage]) -> Iterator[str]:
    """Comparisons of one model as a table, and who is ahead at each number of seeds.

    Args:
        found: one a number of seeds.
        memory: contender and seeds → its memory, where it was measured.
    """
    yield from HEAD
    for c in found:
        for t in (*c.timings, c.twin):
            usage = memory.get((t.name, c.seeds))
            cells = (
                c.seeds, t.name, f"{t.seconds:.3g}", f"{t.ratio:.3f}", f"{t.low:.2f} - {t.high:.2f}", f"{c.seeds / t.seconds:.2f}",
                f"{c.share(t):.0%}", f"{usage.rise / MB:.0f}" if usage else NOTHING, _difference(t),
            )  # fmt: skip
            yield f"| {' | '.join(map(str, cells))} |"
    yield ""
    yield f"Best other's time over ours with {', '.join(str(c.seeds) for c in found)} seeds: {_row(c.against_best(OURS.name) for c in found)};"
    yield f"over ours with diffusers' forward: {_row(c.against_best(PLAIN.name) for c in found)};"
    yield f"ours a second time over ours: {_row(c.twin.ratio for c in found)}."
    yield f"Matrix product of {SIDE} x {SIDE}: {', '.join(f'{c.rate / 1e9:.0f}' for c in found)} GFLOP/s."
    yield "Memory is the rise of a process's own high-water mark, runs with fewer seeds before; differences are on the [-1, 1] scale."
    yield from found[0].left_out


def timing_table(timings: Sequence[Timing], first: str) -> Iterator[str]:
    """Timings as a table; `first` is what the ratios are over."""
    yield f"| | seconds | time over {first} | middle half | largest difference |"
    yield "|---|---|---|---|---|"
    for t in timings:
        yield f"| {t.name} | {t.seconds:.2f} | {t.ratio:.2f} | {t.low:.2f} - {t.high:.2f} | {_difference(t)} |"


def _difference(timing: Timing) -> str:
    return NOTHING if isnan(timing.difference) else f"{timing.difference:.0e}"


def _row(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:.3f}" for number in numbers)
