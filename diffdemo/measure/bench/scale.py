"""How the cost grows: with the rows of a network call, with seeds and steps of a run, with pixels.

Other picture sizes are measured with networks of the same architecture and random weights, which
cost as much as trained ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

from diffdemo.diffusion.noise import noise
from diffdemo.errors import DiffdemoError
from diffdemo.lab import batches
from diffdemo.measure.bench.memory import MB, Usage
from diffdemo.measure.bench.turns import clocked, take_turns
from diffdemo.measure.charts import PURPLE, Chart, Line
from diffdemo.measure.samples import draw_samples
from diffdemo.models import Model, gmacs, load_model
from diffdemo.report.colours import CAME_BACK, CHANGED, INK
from diffdemo.report.markdown import table

ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
SEEDS = (1, 4, 16, 32, 64, 128)
SEED_STEPS = 10  # steps of the runs that are compared by seeds
STEPS = (5, 10, 20, 50, 100)
STEP_SEEDS = 16  # seeds of the runs that are compared by steps
SIDES = (16, 32, 64)
COLOURS = (INK, PURPLE, CAME_BACK, CHANGED)

Costs = Mapping[int, float]  # size → seconds


@dataclass(frozen=True)
class Scale:
    """What one model costs, in seconds.

    Each number is the least of its rounds: what the machine can do when nothing is in its way.

    Attributes:
        model: its name.
        batch: rows of one network call at most.
        rows: rows → of one network call.
        seeds: seeds → of a run of SEED_STEPS steps.
        steps: steps → of a run of STEP_SEEDS seeds.
        sides: side → of one picture in one network call that is as full as in a run.
        gmacs: side → billions of multiply-adds for one picture in one network call.
    """

    model: str
    batch: int
    rows: Costs
    seeds: Costs
    steps: Costs
    sides: Costs
    gmacs: Costs


def measure(model: Model, rounds: int = 3) -> Scale:
    """Time one model at every size.

    Raises:
        DiffdemoError: rounds is below 1, or the network works on latents, whose size is not that
            of the picture.
    """
    if rounds < 1 or model.kind != "pixel":
        needed = "at least 1 round, of a model that works on pictures themselves"
        raise DiffdemoError(f"The scale is measured in {needed}.")
    with TemporaryDirectory() as folder:
        sized = {side: resized(model, side, Path(folder) / f"side-{side}") for side in SIDES}
    sizes = {side: batches.batch_size(other) for side, other in sized.items()}
    sides = _least({side: partial(_call, sized[side], sizes[side]) for side in SIDES}, rounds)
    return Scale(
        model=model.name,
        batch=batches.batch_size(model),
        rows=_least({rows: partial(_call, model, rows) for rows in ROWS}, rounds),
        seeds=_least({n: partial(draw_samples, model, n, SEED_STEPS) for n in SEEDS}, rounds),
        steps=_least({n: partial(draw_samples, model, STEP_SEEDS, n) for n in STEPS}, rounds),
        sides={side: seconds / sizes[side] for side, seconds in sides.items()},
        gmacs={side: gmacs(other) for side, other in sized.items()},
    )


def resized(model: Model, side: int, folder: Path) -> Model:
    """Make the same network, with random weights, for pictures of another side.

    It is written to a folder and loaded from there, as any model is.
    """
    network = UNet2DModel.from_config({**model.unet.config, "sample_size": side})
    scheduler = DDPMScheduler(prediction_type=model.prediction_type, clip_sample=False)
    DDPMPipeline(unet=network, scheduler=scheduler).save_pretrained(folder)
    return load_model(str(folder), str(model.device))


def _call(model: Model, rows: int) -> None:
    model.predict_noise(noise(range(rows), model.shape), model.schedule.T // 2)


def _least(runs: Mapping[int, Callable[[], object]], rounds: int) -> dict[int, float]:
    """Return the shortest time of each, by size; all take turns, and the smallest warms up."""
    runs[min(runs)]()
    times = take_turns({str(size): clocked(run) for size, run in runs.items()}, rounds)
    return {size: min(times[str(size)]) for size in runs}


def tables(found: Sequence[Scale]) -> Iterator[str]:
    """Write scales as Markdown tables, a column a model."""

    def one(name: str, sizes: Iterable[int], cell: Callable[[Scale, int], str]) -> list[str]:
        rows = [[size, *(cell(s, size) for s in found)] for size in sizes]
        return table([name, *(s.model for s in found)], rows)

    most = ", ".join(f"{s.batch} rows in {s.model}" for s in found)
    yield f"Milliseconds of a network call, a picture (at most {most}):"
    yield ""
    yield from one("rows", ROWS, lambda s, n: f"{1e3 * s.rows[n] / n:.2f}")
    yield from ("", f"Seconds of a run of {SEED_STEPS} steps:", "")
    yield from one("seeds", SEEDS, lambda s, n: f"{s.seeds[n]:.2f}")
    yield from ("", f"Seconds of a run of {STEP_SEEDS} seeds:", "")
    yield from one("steps", STEPS, lambda s, n: f"{s.steps[n]:.2f}")
    yield ""
    yield "Milliseconds of a network call, a picture, and billions of multiply-adds a second:"
    yield ""
    yield from one(
        "side", SIDES, lambda s, n: f"{1e3 * s.sides[n]:.1f}, {s.gmacs[n] / s.sides[n]:.0f}"
    )


def memory_table(found: Mapping[tuple[str, int, int], Usage]) -> list[str]:
    """Write the memory of whole round trips, by (model, seeds, steps).

    Each is also compared with the first of the same model.
    """
    head = ["model", "seeds", "steps", "process at its peak, MB", "over the first"]
    firsts: dict[str, int] = {}
    rows = []
    for (model, seeds, steps), usage in found.items():
        over = usage.peak / firsts.setdefault(model, usage.peak)
        peak = f"{usage.peak / MB:.0f}"
        rows.append([model, seeds, steps, peak, f"{over:.2f}", f"{usage.rise / MB:.0f}"])
    return table([*head, "rise during the run, MB"], rows)


def charts(found: Sequence[Scale]) -> list[Chart]:
    """Draw the cost against each of rows, seeds, steps and pixels."""

    def one(title: str, x_label: str, y_label: str, costs: Sequence[Costs]) -> Chart:
        lines = []
        for place, (scale, cost) in enumerate(zip(found, costs, strict=True)):
            colour = COLOURS[place % len(COLOURS)]
            lines.append(Line(scale.model, np.array(list(cost.values())), colour))
        top = 1.05 * max(max(cost.values()) for cost in costs)
        return Chart(title, x_label, y_label, np.array(list(costs[0])), lines, top)

    rows = [{n: 1e3 * t / n for n, t in s.rows.items()} for s in found]
    pixels = [{n * n: 1e3 * t for n, t in s.sides.items()} for s in found]
    return [
        one("Rows share a network call", "rows in the call", "ms a picture", rows),
        one(f"A run of {SEED_STEPS} steps", "seeds", "seconds", [s.seeds for s in found]),
        one(f"A run of {STEP_SEEDS} seeds", "steps", "seconds", [s.steps for s in found]),
        one("Larger pictures", "pixels", "ms a picture and call", pixels),
    ]
