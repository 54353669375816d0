"""Commands that time: `bench` and `scale`."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from diffdemo.commands.options import Commands
from diffdemo.lab import fields

if TYPE_CHECKING:
    from diffdemo.measure.bench.memory import Usage

CURVE_SEEDS = 4  # of the curve that is timed
CURVE_ROUNDS = 3
MEMORY = ((16, 50), (64, 50), (64, 1000))  # seeds and steps of round trips measured for memory
MODELS = "bundled models or diffusers folders (default faces digits)"


def add(commands: Commands) -> None:
    """Add the commands of this module to the parser."""
    parser = commands.add_parser(
        "bench",
        help="time our sampler against others, same weights and noise: seconds, memory, pictures",
    )
    option = parser.add_argument
    option("--models", "--model", nargs="+", default=["faces", "digits"], help=MODELS)
    seeds = "pictures denoised at once (default 1 4 16 64)"
    option("--seeds", nargs="+", type=int, default=[1, 4, 16, 64], help=seeds)
    option("--steps", type=int, default=20, help="network calls for each (default 20)")
    rounds = "turns of each sampler, more where runs are short (default 5)"
    option("--rounds", type=int, default=5, help=rounds)
    memory = "leave out the peak memory, which takes a process for each sampler"
    option("--no-memory", action="store_true", help=memory)
    levels = "time a curve over these levels instead, such as 0:1000:50: in one batch, level by"
    option("--levels", help=f"{levels} level, picture by picture")
    start = "time the first HTTP answer of the page instead, against `import gradio, torch`"
    option("--start", action="store_true", help=start)
    page = "time the page instead: from pressing the dial to the first picture and the result"
    option("--page", action="store_true", help=page)
    option("--out", type=Path, help="also write the tables to this file")
    parser.set_defaults(run=_bench)
    _add_scale(commands)


def _add_scale(commands: Commands) -> None:
    parser = commands.add_parser(
        "scale",
        help="how the cost grows with rows, seeds, steps and pixels, and what memory long runs "
        "take",
    )
    option = parser.add_argument
    option("--models", nargs="+", default=["faces", "digits"], help=MODELS)
    option("--rounds", type=int, default=3, help="times that each is measured (default 3)")
    runs = ", ".join(f"{seeds} x {steps}" for seeds, steps in MEMORY)
    memory = f"measure the memory of whole round trips instead: seeds x steps {runs}, minutes each"
    option("--memory", action="store_true", help=memory)
    out = "also write the tables to this path with .md, and the charts with .png"
    option("--out", type=Path, help=out)
    parser.set_defaults(run=_scale)


def _bench(args: argparse.Namespace) -> None:
    if args.start:
        lines = _start(args)
    elif args.page:
        lines = _page(args)
    elif args.levels:
        lines = _curve(args)
    else:
        lines = _samplers(args)
    _show(lines, args.out)


def _show(lines: Iterable[str], out: Path | None) -> None:
    """Print lines as they come, and write them to a file at the end."""
    shown = []
    for line in lines:
        print(line, flush=True)
        shown.append(line)
    if out:
        out.write_text("\n".join(shown) + "\n")


def _samplers(args: argparse.Namespace) -> Iterator[str]:
    from diffdemo.measure import bench
    from diffdemo.measure.bench import tables
    from diffdemo.models import load_model

    task = f"{args.steps} steps from n = T, medians of at least {args.rounds} rounds in turn"
    for name in args.models:
        model = load_model(name)
        found = [
            bench.compare(model, seeds, args.steps, args.rounds, bench.SECONDS)
            for seeds in args.seeds
        ]
        yield f"{name}, {task}\n"
        memory = {} if args.no_memory else _memory(name, args)
        yield from tables.comparison_table(found, memory)
        yield ""


def _memory(name: str, args: argparse.Namespace) -> dict[tuple[str, int], "Usage"]:
    """Return the memory of each sampler with each number of seeds."""
    from diffdemo.measure.bench import CONTENDERS, memory, peers

    seeds = sorted(set(args.seeds))
    found = {}
    for contender in CONTENDERS:
        if peers.installed(contender):
            usages = memory.measure(name, seeds, args.steps, contender.name)
            for count, usage in zip(seeds, usages, strict=True):
                found[contender.name, count] = usage
    return found


def _curve(args: argparse.Namespace) -> Iterator[str]:
    from diffdemo.measure import bench
    from diffdemo.measure.bench import tables
    from diffdemo.models import load_model

    levels = fields.LEVELS.accept(args.levels)
    grid = f"{len(levels)} levels x {CURVE_SEEDS} seeds, at most {args.steps} steps each"
    for name in args.models:
        model = load_model(name)
        found = bench.compare_curve(model, levels, CURVE_SEEDS, args.steps, CURVE_ROUNDS)
        yield f"{name}, a curve of {grid},"
        yield f"median of {CURVE_ROUNDS} rounds in turn\n"
        yield from tables.timing_table(found, "ours")
        yield ""


def _start(args: argparse.Namespace) -> Iterator[str]:
    from diffdemo.measure.bench import start, tables

    yield f"From the start of Python, median of {args.rounds} rounds in turn\n"
    yield from tables.timing_table(start.measure(args.rounds), "the imports")


def _page(args: argparse.Namespace) -> Iterator[str]:
    from diffdemo.measure.bench import page

    wait = page.measure(args.rounds)
    result = f"the result of 8 seeds after {wait.result:.2f} s"
    first = f"first picture after {wait.picture:.2f} s"
    yield f"Dial pressed, median of {args.rounds}: {first}, {result}."
    slow = f"on a CPU {page.SLOWER} times slower"
    frames = f"{wait.frames:.0f} frames a second and {wait.requests} requests"
    yield f"Dial dragged, {slow}: {frames}."


def _scale(args: argparse.Namespace) -> None:
    from diffdemo.measure import charts
    from diffdemo.measure.bench import memory, scale
    from diffdemo.models import load_model

    out = args.out.with_suffix(".md") if args.out else None
    if args.memory:
        used = {
            (name, seeds, steps): memory.measure(name, [seeds], steps)[0]
            for name in args.models
            for seeds, steps in MEMORY
        }
        _show(scale.memory_table(used), out)
        return
    if args.out:
        charts.require_matplotlib()
    found = [scale.measure(load_model(name), args.rounds) for name in args.models]
    _show(scale.tables(found), out)
    if args.out:
        charts.write(scale.charts(found), args.out.with_suffix(".png"), columns=2)
