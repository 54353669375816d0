"""Run a study: this process's share of the chunks, and the table that they are joined to."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from accelerate import PartialState
from torch import Tensor

from diffdemo.diffusion import metrics
from diffdemo.diffusion.noise import noise
from diffdemo.experiments.curve.run import knowledge
from diffdemo.lab import batches
from diffdemo.lab.experiment import VERSION
from diffdemo.lab.field import fields_of
from diffdemo.lab.judge import Judge
from diffdemo.lab.prepare import check_levels, picture
from diffdemo.measure import study
from diffdemo.measure.study import COLUMNS, Study
from diffdemo.measure.study.processes import Launcher, team, together
from diffdemo.measure.study.shards import Shards
from diffdemo.models import Model
from diffdemo.pictures import images


@dataclass(frozen=True)
class Progress:
    """Rows finished by all processes, earlier starts included, and rows in all."""

    done: int
    total: int


def run(settings: Study, model: Model, out: Path) -> Iterator[Progress]:
    """Work on this process's share of a study; yields as chunks are finished.

    At the end there is DIR/study.csv.

    Args:
        settings: the grid, and how each row is denoised.
        model: the model it names.
        out: DIR. If it holds the same study, begun and stopped, that is resumed.

    Raises:
        DiffdemoError: n is beyond the model's T, a picture cannot be read, the folder holds
            another study, or cannot be written; all but the last are raised before any work.
    """
    process = team()
    shards = shards_of(settings, out)
    model = together(lambda: _checked(settings, model))
    together(lambda: shards.begin(_note(settings, model)) if process.is_main_process else None)
    return _run(settings, model, shards, process)


def _run(
    settings: Study, model: Model, shards: Shards, process: PartialState
) -> Iterator[Progress]:
    yield _progress(settings, shards)
    yield from fill(settings, model, shards, process.process_index, process.num_processes)
    together(lambda: None)
    together(lambda: shards.join() if process.is_main_process else None)


def shards_of(settings: Study, out: Path) -> Shards:
    """Return the folder that holds the results of a study, chunk by chunk."""

    def keys(chunk: int) -> list[str]:
        return [f"{picture},{n},{seed}," for picture, n, seed in settings.cells(chunk)]

    return Shards(out, COLUMNS, settings.chunks, keys)


def fill(
    settings: Study, model: Model, shards: Shards, process: int, processes: int
) -> Iterator[Progress]:
    """Compute and write the missing chunks of one process; yields after each."""
    launcher = Launcher()
    for chunk in range(process, settings.chunks, processes):
        launcher.check()
        if not shards.path(chunk).exists():
            shards.put(chunk, compute(settings, model, chunk))
            yield _progress(settings, shards)


def _progress(settings: Study, shards: Shards) -> Progress:
    done = sum(len(settings.chunk(number)) for number in shards.finished())
    return Progress(done, settings.rows)


def compute(settings: Study, model: Model, chunk: int) -> list[str]:
    """Return the lines of one chunk, one a row, in the order of COLUMNS."""
    texts, levels, seeds = zip(*settings.cells(chunk), strict=True)
    with one_thread():
        x0 = {text: picture(text, model) for text in dict.fromkeys(texts)}
        eps = noise(seeds, model.shape)
        n = torch.tensor(levels)
        x_n = model.schedule.add_noise(torch.cat([x0[text] for text in texts]), eps, n)
        options = {"eta": settings.eta, "solver": settings.solver, "spacing": settings.spacing}
        x = batches.draw(model, x_n, n, seeds, settings.steps, **options)
        values: list[tuple[str, ...]] = []
        for text, group in groupby(range(len(texts)), texts.__getitem__):
            rows = list(group)
            values += _judge(text, model, x0[text], x_n[rows], x[rows], n[rows])
    cells = zip(texts, map(str, levels), map(str, seeds), strict=True)
    return [",".join((*cell, *row)) for cell, row in zip(cells, values, strict=True)]


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of torch inside, as many as before outside.

    Sums are cut up differently for another number of threads, and float addition is not
    associative. With the number that happens to be free on a machine, or that a launcher leaves
    to each process, the last bits would differ.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _judge(
    text: str, model: Model, x0: Tensor, x_n: Tensor, x: Tensor, n: Tensor
) -> Iterator[tuple[str, ...]]:
    """Yield the values of some rows of one picture, as they are written."""
    judge = Judge.of(text, model, x0)
    known = knowledge(judge, text, model.schedule, x_n, n)
    columns = (
        metrics.rmse(x0, x),
        judge.came_back(x).int(),
        judge.kept(x),
        known.bits_known if known else None,
        known.p_true if known else None,
    )
    written = []
    for column in columns:
        written.append([""] * len(x) if column is None else list(map(repr, column.tolist())))
    pixels = images.to_uint8(batches.pixels(model, x))
    hashes = [hashlib.sha256(row.tobytes()).hexdigest()[:16] for row in pixels]
    return zip(*written, hashes, strict=True)


def _checked(settings: Study, model: Model) -> Model:
    """Refuse what can be refused before any work; returns the model bound to its prompt."""
    check_levels(model, *settings.levels)
    for text in settings.pictures:
        if text.startswith("png:"):  # other pictures exist whenever their names are accepted
            picture(text, model)
    return model.conditioned(settings.prompt, settings.guidance)


def _note(settings: Study, model: Model) -> dict[str, str | int]:
    """Return what study.json holds: all that the numbers depend on."""
    dtype = str(model.dtype).removeprefix("torch.")
    written = {
        name: field.write(getattr(settings, name)) for name, field in fields_of(settings).items()
    }
    return {
        "version": VERSION,
        **written,
        "revision": model.revision,
        "chunk": study.CHUNK,
        "engine": f"torch {torch.__version__}, {model.device.type}, {dtype}",
    }
