"""Peak memory of a run: by how much the resident memory of a process of its own rose.

The operating system's high-water mark counts everything: torch's pictures, the scratch space of its
kernels, and what an allocator holds. What the process held before (Python, torch, the weights,
other libraries' imports) is subtracted.

    python -m diffdemo.measure.bench.memory \
        '{"model": "faces", "contender": "azula", "seeds": [1, 16], "steps": 20}'
"""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MB = 2**20
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Usage:
    """Memory of one run in bytes: what the process held before, and the most it held since."""

    before: int
    peak: int

    @property
    def rise(self) -> int:
        """How much the run took."""
        return self.peak - self.before


def measure(model: str, seeds: Sequence[int], steps: int, contender: str = "") -> list[Usage]:
    """Return the memory of runs with these numbers of seeds, rising, all in one new process.

    Args:
        model: a bundled model or a diffusers folder.
        seeds: pictures of each run.
        steps: network calls for each.
        contender: name of a sampler in `peers`; nothing for a whole RoundTrip experiment from
            n = T, judged and with its path.
    """
    task = {"model": model, "contender": contender, "seeds": sorted(seeds), "steps": steps}
    heaps = {"MALLOC_ARENA_MAX": "2"}  # as app.py has it, see serving.memory.share_heaps
    done = subprocess.run(
        [sys.executable, "-m", __name__, json.dumps(task)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **heaps},
    )
    return [Usage(**usage) for usage in json.loads(done.stdout.splitlines()[-1])]


def resident() -> tuple[int, int]:
    """Return the bytes that this process has in memory now, and the most since `forget_peak`.

    Elsewhere than on Linux both are the most it has ever had.
    """
    if not STATUS.exists():
        unit = 1 if sys.platform == "darwin" else 1024
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return most, most
    found = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", STATUS.read_text()))
    return int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024


def forget_peak() -> None:
    """Let the high-water mark begin anew, where Linux lets it."""
    if CLEAR.exists():
        CLEAR.write_text("5")


def _run(model: str, contender: str, seeds: list[int], steps: int) -> list[Usage]:
    """Do the runs, in the new process.

    What is left over from a run counts for the runs after it too.
    """
    from diffdemo.diffusion.noise import noise
    from diffdemo.experiments import RoundTrip
    from diffdemo.lab import run
    from diffdemo.measure.bench import peers
    from diffdemo.models import load_model

    loaded = load_model(model)
    T = loaded.schedule.T
    denoise = peers.prepare(loaded, contender)[0][contender] if contender else None
    before, _ = resident()
    found = []
    for count in seeds:
        forget_peak()
        if denoise:
            denoise(noise(range(count), loaded.shape), steps)
        else:
            run(RoundTrip(loaded.name, n=T, seeds=tuple(range(count)), steps=steps), loaded)
        found.append(Usage(before, resident()[1]))
    return found


if __name__ == "__main__":
    print(json.dumps([asdict(usage) for usage in _run(**json.loads(sys.argv[1]))]))
