"""How the cost grows: with the rows of one network call, with seeds and steps of a run, with pixels.

Other picture sizes are measured with networks of the model's plan and random weights, which cost as much as trained ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

from diffdemo import images
from diffdemo.bench.memory import MB, Usage
from diffdemo.bench.turns import clocked, take_turns
from diffdemo.errors import DiffdemoError
from diffdemo.figures import Chart, Line, line_chart
from diffdemo.lab import lane
from diffdemo.models import Model, gmacs, load_model
from diffdemo.noise import noise

ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
SEEDS, SEED_STEPS = (1, 4, 16, 32, 64, 128), 10  # the latter: steps of the runs that are compared by seeds
STEPS, STEP_SEEDS = (5, 10, 20, 50, 100), 16
SIDES = (16, 32, 64)
COLOURS = ("#1d2733", "#7a4fa3", "#0b766f", "#b45f06")


@dataclass(frozen=True)
class Scale:
    """What one model costs, in seconds; each the least of its rounds, what the machine can do when nothing else is in its way.

    Attributes:
        model: its name.
        chunk: rows that its runs put into one network call at most.
        rows: rows → of one network call.
        seeds: seeds → of a run of SEED_STEPS steps.
        steps: steps → of a run of STEP_SEEDS seeds.
        sides: side → of one picture in one network call, as many rows in it as its runs would put there.
        gmacs: side → billions of multiply-adds for one picture in one network call.
    """

    model: str
    chunk: int
    rows: Mapping[int, float]
    seeds: Mapping[int, float]
    steps: Mapping[int, float]
    sides: Mapping[int, float]
    gmacs: Mapping[int, float]


def measure(model: Model, rounds: int = 3) -> Scale:
    """Time one model at every size.

    Raises:
        DiffdemoError: rounds is below 1, or the network works on latents, whose size is not the picture's.
    """
    if rounds < 1 or model.kind != "pixel":
        raise DiffdemoError("The scale is measured in at least 1 round, of a model that works on pictures themselves.")
    with TemporaryDirectory() as folder:
        sized = {side: resized(model, side, Path(folder) / f"side-{side}") for side in SIDES}
    chunks = {side: lane.chunk_size(other) for side, other in sized.items()}
    calls = _least({side: partial(_call, other, chunks[side]) for side, other in sized.items()}, rounds)
    return Scale(
        model.name, lane.chunk_size(model),
        _least({count: partial(_call, model, count) for count in ROWS}, rounds),
        _least({count: partial(_draw, model, count, SEED_STEPS) for count in SEEDS}, rounds),
        _least({count: partial(_draw, model, STEP_SEEDS, count) for count in STEPS}, rounds),
        {side: seconds / chunks[side] for side, seconds in calls.items()},
        {side: gmacs(other) for side, other in sized.items()},
    )  # fmt: skip


def resized(model: Model, side: int, folder: Path) -> Model:
    """A network of the same plan and random weights for pictures of another side, written to a folder and loaded from there, as any is."""
    network = UNet2DModel.from_config({**model.unet.config, "sample_size": side})
    DDPMPipeline(unet=network, scheduler=DDPMScheduler(prediction_type=model.prediction_type, clip_sample=False)).save_pretrained(folder)
    return load_model(str(folder), str(model.device))


def _call(model: Model, rows: int) -> None:
    model.predict_noise(noise(range(rows), model.shape), model.schedule.T // 2)


def _draw(model: Model, seeds: int, steps: int) -> None:
    lane.draw(model, noise(range(seeds), model.shape), model.schedule.T, range(seeds), steps)


def _least(runs: Mapping[int, Callable[[], None]], rounds: int) -> dict[int, float]:
    """The shortest time of each, by size; all take turns, and the smallest warms up."""
    runs[min(runs)]()
    times = take_turns({str(size): clocked(run) for size, run in runs.items()}, rounds)
    return {size: min(times[str(size)]) for size in runs}


def tables(found: Sequence[Scale]) -> Iterator[str]:
    """Scales as Markdown tables, a column a model."""
    names = " | ".join(f"{s.model}" for s in found)
    bar = "|---" * (len(found) + 1) + "|"
    yield from (f"Milliseconds of a network call, a picture (at most {', '.join(f'{s.chunk} rows in {s.model}' for s in found)}):", "")
    yield from (f"| rows | {names} |", bar)
    yield from (f"| {n} | {' | '.join(f'{1e3 * s.rows[n] / n:.2f}' for s in found)} |" for n in ROWS)
    yield from ("", f"Seconds of a run of {SEED_STEPS} steps:", "", f"| seeds | {names} |", bar)
    yield from (f"| {n} | {' | '.join(f'{s.seeds[n]:.2f}' for s in found)} |" for n in SEEDS)
    yield from ("", f"Seconds of a run of {STEP_SEEDS} seeds:", "", f"| steps | {names} |", bar)
    yield from (f"| {n} | {' | '.join(f'{s.steps[n]:.2f}' for s in found)} |" for n in STEPS)
    yield from ("", "Milliseconds of a network call, a picture, and billions of multiply-adds a second:", "", f"| side | {names} |", bar)
    yield from (f"| {n} | {' | '.join(f'{1e3 * s.sides[n]:.1f}, {s.gmacs[n] / s.sides[n]:.0f}' for s in found)} |" for n in SIDES)


def memory_table(found: Mapping[tuple[str, int, int], Usage]) -> Iterator[str]:
    """The memory of whole round trips, by (model, seeds, steps), and over that of the first of the same model."""
    yield "| model | seeds | steps | process at its peak, MB | over the first | rise during the run, MB |"
    yield "|---|---|---|---|---|---|"
    for (model, seeds, steps), usage in found.items():
        first = next(other for (name, _, _), other in found.items() if name == model)
        yield f"| {model} | {seeds} | {steps} | {usage.peak / MB:.0f} | {usage.peak / first.peak:.2f} | {usage.rise / MB:.0f} |"


def picture(found: Sequence[Scale]) -> np.ndarray:
    """Four charts on one page, (H, W, 3) uint8."""
    axes: tuple[tuple[str, str, str, list[Mapping[int, float]]], ...] = (
        ("Rows share a network call", "rows in the call", "ms a picture", [{n: 1e3 * t / n for n, t in s.rows.items()} for s in found]),
        (f"A run of {SEED_STEPS} steps", "seeds", "seconds", [s.seeds for s in found]),
        (f"A run of {STEP_SEEDS} seeds", "steps", "seconds", [s.steps for s in found]),
        ("Larger pictures", "pixels", "ms a picture and call", [{n * n: 1e3 * t for n, t in s.sides.items()} for s in found]),
    )
    names = [s.model for s in found]
    return images.sheet(np.stack([line_chart(_chart(*axis, names)) for axis in axes]), columns=2)


def _chart(title: str, x_label: str, y_label: str, values: Sequence[Mapping[int, float]], names: Sequence[str]) -> Chart:
    lines = tuple(
        Line(name, np.array(list(some.values())), COLOURS[place % len(COLOURS)]) for place, (name, some) in enumerate(zip(names, values, strict=True))
    )
    top = 1.05 * max(max(some.values()) for some in values)
    return Chart(title, x_label, y_label, np.array(list(values[0])), lines, y_range=(0.0, top))
