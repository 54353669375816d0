"""Studies: a grid of pictures x levels x seeds there and back, split over any number of processes.

    python -m diffdemo study --pictures face:0-99 --n 0:1000:50 --seeds 0-15 --out DIR
    accelerate launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no \
        --dynamo_backend no -m diffdemo study …

`--multi_gpu` is accelerate's word for several processes: without a GPU they compute on the CPU and
talk over gloo, while `accelerate launch --cpu` starts one process whatever number is given.
`torchrun --nproc_per_node 2 -m diffdemo study …` does the same.

The rows are cut into chunks by the grid alone, and chunk k belongs to process k mod their number.
So the network sees the same batches, and the result has the same bytes, however many processes
there are. A chunk is written when it is finished; a study that was killed resumes with the chunks
that are missing. When the last is there, the first process joins them to DIR/study.csv. All
processes see the disk that DIR is on.

A process that fails says why and ends. The launcher then ends the others. Without a launcher they
end when they wait for the failed one at the end of their share and its connection is closed (if
its machine vanishes: after `processes.WAIT`). If the launcher itself is killed, each process ends
after its current chunk. Finished chunks are never lost.

CSV and not Parquet: at most a million short rows need neither its speed nor its size, everything
opens them, and a Parquet writer would be one more package. Floats are written so that they read
back as the same bits.
"""

from dataclasses import dataclass

from diffdemo.errors import ExperimentError
from diffdemo.lab import fields
from diffdemo.lab.experiment import check_solver
from diffdemo.lab.field import accept_all

CHUNK = 64  # rows of one shard, in the order of the grid
MAX_ROWS = 1_000_000
COLUMNS = ("picture", "n", "seed", "rmse", "came_back", "kept", "bits_known", "p_true", "sha256")


@dataclass(frozen=True)
class Study:
    """There and back over a grid: every picture at every level with every seed.

    Raises:
        ExperimentError: a field is out of its bounds, the grid has more than MAX_ROWS rows, or
            eta > 0 is asked of a deterministic solver.
    """

    model: str = fields.MODEL.field()
    pictures: tuple[str, ...] = fields.PICTURES.field()
    levels: tuple[int, ...] = fields.LEVELS.field()
    seeds: tuple[int, ...] = fields.SEEDS.field()
    steps: int = fields.STEPS.field()
    eta: float = fields.ETA.field()
    solver: str = fields.SOLVER.field()
    spacing: str = fields.SPACING.field()
    prompt: str = fields.PROMPT.field()
    guidance: float = fields.GUIDANCE.field()

    def __post_init__(self) -> None:
        accept_all(self)
        check_solver(self)
        if self.rows > MAX_ROWS:
            limit = f"a study has at most {MAX_ROWS:,}"
            raise ExperimentError(f"{self.grid} are {self.rows:,} rows; {limit}.")

    @property
    def grid(self) -> str:
        """The size of the grid in words."""
        pictures = f"{len(self.pictures)} pictures"
        return f"{pictures} x {len(self.levels)} levels x {len(self.seeds)} seeds"

    @property
    def rows(self) -> int:
        """The number of rows of the grid."""
        return len(self.pictures) * len(self.levels) * len(self.seeds)

    @property
    def chunks(self) -> int:
        """The number of chunks that the rows are cut into."""
        return -(-self.rows // CHUNK)

    def chunk(self, number: int) -> range:
        """Return the rows of one chunk, counted by picture, then by level, then by seed."""
        return range(number * CHUNK, min((number + 1) * CHUNK, self.rows))

    def cells(self, chunk: int) -> list[tuple[str, int, int]]:
        """Return picture, n and seed of each row of one chunk."""
        seeds = len(self.seeds)
        picture_rows = len(self.levels) * seeds
        cells = []
        for row in self.chunk(chunk):
            picture = self.pictures[row // picture_rows]
            level = self.levels[row // seeds % len(self.levels)]
            cells.append((picture, level, self.seeds[row % seeds]))
        return cells
