"""Commands that time: `bench` and `scale`."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffdemo.fields import FIELDS

if TYPE_CHECKING:
    from diffdemo.bench.memory import Usage

CURVE_SEEDS, CURVE_ROUNDS = 4, 3  # of the curve that is timed
MEMORY = ((16, 50), (64, 50), (64, 1000))  # seeds and steps of the round trips whose memory is measured
_RUNS = ", ".join(f"{seeds} x {steps}" for seeds, steps in MEMORY)


def add(commands: Any) -> None:
    """Add the commands of this family to the parser."""
    bench = commands.add_parser("bench", help="time our sampler against others, same weights and noise: seconds, memory, pictures")
    bench.add_argument(
        "--models", "--model", nargs="+", default=["faces", "digits"], help="bundled models or diffusers folders (default faces digits)"
    )
    bench.add_argument("--seeds", nargs="+", type=int, default=[1, 4, 16, 64], help="pictures denoised at once (default 1 4 16 64)")
    bench.add_argument("--steps", type=int, default=20, help="network calls for each (default 20)")
    bench.add_argument("--rounds", type=int, default=5, help="times that everybody has a turn, more where runs are short (default 5)")
    bench.add_argument("--no-memory", action="store_true", help="leave out the peak memory, which takes a process for everybody")
    bench.add_argument("--levels", help="time a curve over these levels instead, such as 0:1000:50, in one batch, level by level, picture by picture")
    bench.add_argument("--start", action="store_true", help="time the first HTTP answer of the page instead, against `import gradio, torch`")
    bench.add_argument("--page", action="store_true", help="time the page instead: from letting go of the dial to the first picture and the result")
    bench.add_argument("--out", type=Path, help="also write the tables to this file")
    bench.set_defaults(run=_bench)

    scale = commands.add_parser("scale", help="how the cost grows with rows, seeds, steps and pixels, and what memory long runs take")
    scale.add_argument("--models", nargs="+", default=["faces", "digits"], help="bundled models or diffusers folders (default faces digits)")
    scale.add_argument("--rounds", type=int, default=3, help="times that each is measured (default 3)")
    scale.add_argument("--memory", action="store_true", help=f"measure the memory of whole round trips instead: seeds x steps {_RUNS}, minutes each")
    scale.add_argument("--out", type=Path, help="also write the tables to this path with .md, and the charts with .png")
    scale.set_defaults(run=_scale)


def _bench(args: argparse.Namespace) -> None:
    found = _start if args.start else _page if args.page else _curve if args.levels else _race
    _say(found(args), args.out)


def _say(lines: Iterator[str], out: Path | None) -> None:
    """Print lines as they come, and write them to a file at the end."""
    said = []
    for line in lines:
        print(line, flush=True)
        said.append(line)
    if out:
        out.write_text("\n".join(said) + "\n")


def _race(args: argparse.Namespace) -> Iterator[str]:
    from diffdemo import bench, models
    from diffdemo.bench import tables

    for name in args.models:
        model = models.load_model(name)
        found = [bench.compare(model, seeds, args.steps, args.rounds, bench.SECONDS) for seeds in args.seeds]
        yield f"{name}, {args.steps} steps from n = T, medians of at least {args.rounds} rounds in turn\n"
        yield from tables.comparison_table(found, {} if args.no_memory else _memory(name, args))
        yield ""


def _memory(name: str, args: argparse.Namespace) -> dict[tuple[str, int], "Usage"]:
    from diffdemo.bench import CONTENDERS, memory, peers

    seeds = sorted(set(args.seeds))
    return {
        (contender.name, count): usage
        for contender in CONTENDERS
        if peers.installed(contender)
        for count, usage in zip(seeds, memory.measure(name, seeds, args.steps, contender.name), strict=True)
    }


def _curve(args: argparse.Namespace) -> Iterator[str]:
    from diffdemo import bench, models
    from diffdemo.bench import tables

    levels = FIELDS["levels"].accept(args.levels)
    for name in args.models:
        found = bench.compare_curve(models.load_model(name), levels, CURVE_SEEDS, args.steps, CURVE_ROUNDS)
        yield f"{name}, a curve of {len(levels)} levels x {CURVE_SEEDS} seeds, at most {args.steps} steps each,"
        yield f"median of {CURVE_ROUNDS} rounds in turn\n"
        yield from tables.timing_table(found, "ours")
        yield ""


def _start(args: argparse.Namespace) -> Iterator[str]:
    from diffdemo.bench import start, tables

    yield f"From the start of Python, median of {args.rounds} rounds in turn\n"
    yield from tables.timing_table(start.measure(args.rounds), "the imports")


def _page(args: argparse.Namespace) -> Iterator[str]:
    from diffdemo.bench import page

    wait = page.measure(args.rounds)
    yield f"Dial let go of, median of {args.rounds}: first picture after {wait.picture:.2f} s, the result of 16 seeds after {wait.result:.2f} s."


def _scale(args: argparse.Namespace) -> None:
    from PIL import Image

    from diffdemo.bench import memory, scale
    from diffdemo.models import load_model

    out = args.out.with_suffix(".md") if args.out else None
    if args.memory:
        used = {(name, seeds, steps): memory.measure(name, [seeds], steps)[0] for name in args.models for seeds, steps in MEMORY}
        _say(scale.memory_table(used), out)
        return
    found = [scale.measure(load_model(name), args.rounds) for name in args.models]
    _say(scale.tables(found), out)
    if args.out:
        page = Image.fromarray(scale.picture(found)).quantize(32, dither=Image.Dither.NONE)  # lines and letters: a third of the bytes
        page.save(args.out.with_suffix(".png"), optimize=True)
