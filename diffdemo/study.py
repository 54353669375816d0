"""Studies: a grid of pictures x levels x seeds there and back, split over any number of processes, to the same bytes every time.

    python -m diffdemo study --pictures face:0-99 --n 0:1000:50 --seeds 0-15 --out DIR
    accelerate launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no -m diffdemo study …

`--multi_gpu` is accelerate's word for several processes: without a GPU they compute on the CPU and talk over gloo, while
`accelerate launch --cpu` starts one process whatever number is asked. `torchrun --nproc_per_node 2 -m diffdemo study …` does the same.

The rows are cut into chunks by the grid alone, and chunk k belongs to process k mod their number, so every batch the network sees is
the same however many they are. A chunk is written when it is finished, under another name first; a study that was killed goes on with
the chunks that are missing. When the last is there, the first process joins them to DIR/study.csv. DIR is on a disk that all see.

A process that fails says why and ends. The launcher then ends the others; started without one, they end when they wait for it at the
end of their share and its connection is closed (a machine that vanishes without a word: after `WAIT`). If the launcher itself is
killed, each ends after the chunk it is at. What is finished is kept in each case.

CSV and not Parquet: at most a million short rows need neither its speed nor its size, everything opens them, and a Parquet writer
would be one more package. Floats are written so that they read back as the same bits.
"""

import csv
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from torch import Tensor

from diffdemo import images, lab, metrics
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.experiment import VERSION, check_solver
from diffdemo.fields import FIELDS, accept_all
from diffdemo.lab import lane
from diffdemo.lab.curve import knowledge
from diffdemo.lab.subject import Judge, check_levels
from diffdemo.models import Model, default_device
from diffdemo.noise import noise
from diffdemo.shards import Shards

CHUNK = 64  # rows of one shard, in the order of the grid
MAX_ROWS = 1_000_000
COLUMNS = ("picture", "n", "seed", "rmse", "came_back", "kept", "bits_known", "p_true", "sha256")
WAIT = timedelta(hours=24)  # how long a process that is early waits for the others
Item = TypeVar("Item")
Cell = tuple[str, int, int]  # picture, n, seed


@dataclass(frozen=True)
class Study:
    """There and back over a grid: every picture at every level with every seed.

    Raises:
        ExperimentError: a field is out of its bounds (see FIELDS), the grid has more than MAX_ROWS rows, or eta > 0 is asked of a
            deterministic solver.
    """

    model: str = FIELDS["model"].default
    pictures: tuple[str, ...] = FIELDS["pictures"].default
    levels: tuple[int, ...] = FIELDS["levels"].default
    seeds: tuple[int, ...] = FIELDS["seeds"].default
    steps: int = FIELDS["steps"].default
    eta: float = FIELDS["eta"].default
    solver: str = FIELDS["solver"].default
    spacing: str = FIELDS["spacing"].default
    prompt: str = FIELDS["prompt"].default
    guidance: float = FIELDS["guidance"].default

    def __post_init__(self) -> None:
        accept_all(self)
        check_solver(self)
        if self.rows > MAX_ROWS:
            raise ExperimentError(f"{self.grid} are {self.rows:,} rows; a study has at most {MAX_ROWS:,}.")

    @property
    def grid(self) -> str:
        """The size of the grid in words."""
        return f"{len(self.pictures)} pictures x {len(self.levels)} levels x {len(self.seeds)} seeds"

    @property
    def rows(self) -> int:
        """How many rows the grid has."""
        return len(self.pictures) * len(self.levels) * len(self.seeds)

    @property
    def chunks(self) -> int:
        """How many chunks the rows are cut into."""
        return -(-self.rows // CHUNK)

    def places(self, chunk: int) -> range:
        """Which rows of the grid, counted picture by picture, level by level, seed by seed, are one chunk."""
        return range(chunk * CHUNK, min((chunk + 1) * CHUNK, self.rows))

    def cells(self, chunk: int) -> list[Cell]:
        """Picture, n and seed of each row of one chunk."""
        L, S = len(self.levels), len(self.seeds)
        return [(self.pictures[i // (L * S)], self.levels[i // S % L], self.seeds[i % S]) for i in self.places(chunk)]

    def shards(self, out: Path) -> Shards:
        """The folder that holds its results, chunk by chunk."""
        return Shards(out, COLUMNS, self.chunks, lambda chunk: [f"{picture},{n},{seed}," for picture, n, seed in self.cells(chunk)])


@dataclass(frozen=True)
class Progress:
    """Rows finished by all processes, earlier starts included, and rows in all."""

    done: int
    total: int


@dataclass(frozen=True)
class Mean:
    """What the rows of one level have in common; None where nothing is known."""

    n: int
    rows: int
    came_back: float
    kept: float | None
    rmse: float
    bits_known: float | None


def team() -> PartialState:
    """This process among those of the study, and its device: a GPU each where there are some, else the CPU and gloo."""
    kind, several = default_device().type, int(os.environ.get("WORLD_SIZE", "1")) > 1
    told = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return PartialState(cpu=told or kind == "cpu" or (several and kind != "cuda"), timeout=WAIT)


def together(work: Callable[[], Item]) -> Item:
    """Do the same work in every process and wait for all of them, so that a failure of one is a failure of all.

    Raises:
        DiffdemoError: in the first process, the first failure there was, and it speaks for all.
        SystemExit: in the other processes, with code 2.
    """
    failure: DiffdemoError | None = None
    try:
        result = work()
    except DiffdemoError as error:
        failure = error
    try:
        failures = [found for found in gather_object([failure]) if found]
    except RuntimeError as error:
        raise DiffdemoError("Another process of this study has ended too early; start it again, and it goes on where it was.") from error
    if failures and team().is_main_process:
        raise failures[0]
    if failures:
        time.sleep(1)  # a launcher stops everyone once one has ended, and the first process is to speak before that
        raise SystemExit(2)
    return result


def study(settings: Study, model: Model, out: Path) -> Iterator[Progress]:
    """Work on this process's share of a study, yielding as chunks are finished; at the end there is DIR/study.csv.

    Args:
        settings: the grid and how each row is denoised.
        model: the model it names.
        out: DIR. One that holds the same study, begun and stopped, is gone on with.

    Raises:
        DiffdemoError: n is beyond the model's T, a picture cannot be read, the folder holds another study, or cannot be written;
            all but the last are raised before any work.
    """
    process, shards = team(), settings.shards(out)
    model = together(lambda: _told(settings, model))
    together(lambda: shards.begin(_note(settings, model)) if process.is_main_process else None)
    return _run(settings, model, shards, process)


def _run(settings: Study, model: Model, shards: Shards, process: PartialState) -> Iterator[Progress]:
    yield _progress(settings, shards)
    yield from fill(settings, model, shards, process.process_index, process.num_processes)
    together(lambda: None)
    together(lambda: shards.join() if process.is_main_process else None)


def fill(settings: Study, model: Model, shards: Shards, process: int, processes: int) -> Iterator[Progress]:
    """Compute and write those chunks of one process that are not there yet; yields after each."""
    launcher = os.getppid()
    for chunk in range(process, settings.chunks, processes):
        if "TORCHELASTIC_RUN_ID" in os.environ and os.getppid() != launcher:  # it starts each process in a session that outlives it
            raise DiffdemoError("The launcher of this study has ended; start it again, and it goes on where it was.")
        if not shards.path(chunk).exists():
            shards.put(chunk, compute(settings, model, chunk))
            yield _progress(settings, shards)


def _progress(settings: Study, shards: Shards) -> Progress:
    return Progress(sum(len(settings.places(chunk)) for chunk in shards.finished()), settings.rows)


def compute(settings: Study, model: Model, chunk: int) -> list[str]:
    """The lines of one chunk, one a row, in the order of COLUMNS."""
    texts, levels, seeds = zip(*settings.cells(chunk), strict=True)
    with _one_thread():
        x0 = {text: lab.picture(text, model) for text in set(texts)}
        n = torch.tensor(levels)
        x_n = model.schedule.add_noise(torch.cat([x0[text] for text in texts]), noise(seeds, model.shape), n)
        x = lane.draw(model, x_n, n, seeds, settings.steps, eta=settings.eta, solver=settings.solver, spacing=settings.spacing)
        lines: list[str] = []
        for text, group in groupby(range(len(texts)), texts.__getitem__):
            rows = list(group)
            found = _judge(text, model, x0[text], x_n[rows], x[rows], n[rows])
            lines += [",".join((text, str(levels[row]), str(seeds[row]), *values)) for row, values in zip(rows, found, strict=True)]
    return lines


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread of torch inside, as many as before outside.

    Sums are cut up differently for another number of threads, and float addition is not associative: with the number that happens to
    be free on a machine, or that a launcher leaves to each process, the last bits would differ.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _judge(text: str, model: Model, x0: Tensor, x_n: Tensor, x: Tensor, n: Tensor) -> Iterator[tuple[str, ...]]:
    """The values of some rows of one picture, as they are written."""
    judge = Judge.of(text, model, x0)
    known, p_true, _ = knowledge(judge.line_up, judge.x0, text, model, x_n, n) if judge.line_up else (None, None, None)
    columns = (metrics.rmse(x0, x), judge.came_back(x).int(), judge.kept(x), known, p_true)
    written = [[""] * len(x) if column is None else [repr(value) for value in column.tolist()] for column in columns]
    hashes = [hashlib.sha256(pixels.tobytes()).hexdigest()[:16] for pixels in images.to_uint8(lane.pixels(model, x))]
    return zip(*written, hashes, strict=True)


def _told(settings: Study, model: Model) -> Model:
    """The model told the prompt, when everything that can be refused before any work has been looked at."""
    check_levels(model, *settings.levels)
    for text in settings.pictures:
        if text.startswith("png:"):  # the others are right when they are written right
            lab.picture(text, model)
    return model.conditioned(settings.prompt, settings.guidance)


def _note(settings: Study, model: Model) -> dict[str, str | int]:
    """What study.json holds: all that the numbers depend on."""
    written = {item.name: FIELDS[item.name].write(getattr(settings, item.name)) for item in fields(settings)}
    engine = f"torch {torch.__version__}, {model.device.type}, {str(model.dtype).removeprefix('torch.')}"
    return {"version": VERSION, **written, "revision": model.revision, "chunk": CHUNK, "engine": engine}


def means(path: Path) -> list[Mean]:
    """The means of a finished study.csv at each level, from the lowest."""
    sums: dict[int, dict[str, float]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            level = sums.setdefault(int(row["n"]), dict.fromkeys(("rows", *COLUMNS[3:7], "readable", "exact"), 0.0))
            level["rows"] += 1
            level["readable"] += row["kept"] != ""
            level["exact"] += row["bits_known"] != ""
            for name in COLUMNS[3:7]:
                level[name] += float(row[name] or 0)
    return [
        Mean(
            n, int(s["rows"]), s["came_back"] / s["rows"], s["kept"] / s["readable"] if s["readable"] else None, s["rmse"] / s["rows"],
            s["bits_known"] / s["exact"] if s["exact"] else None,
        )
        for n, s in sorted(sums.items())
    ]  # fmt: skip


def report(settings: Study, found: Sequence[Mean]) -> list[str]:
    """The means as lines: one that sums up, then a table by level."""
    half = lab.crossing([mean.n for mean in found], [mean.came_back for mean in found], 0.5)
    where = "the share that came back falls through one half at no level in between" if half is None else f"half came back at n = {half:.0f}"
    title = f"{settings.model}: {settings.rows:,} rows, {settings.grid}, {settings.steps} steps, eta {settings.eta:g}: {where}."
    head = ["", "| n | came back | kept | RMSE | bits known |", "|---|---|---|---|---|"]

    def cell(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    rows = [f"| {m.n} | {m.came_back:.1%} | {cell(m.kept, '.1%')} | {m.rmse:.3f} | {cell(m.bits_known, '.2f')} |" for m in found]
    return [title, *head, *rows]
