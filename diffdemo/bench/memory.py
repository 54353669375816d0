"""Peak memory of a run: by how much the resident memory of a process of its own rose above what it held before.

What counts is the operating system's high-water mark, so everything does: torch's pictures, the scratch space of its kernels, and what
an allocator keeps. What the process held before (Python, torch, the weights, each other library's own imports) is taken off.

    python -m diffdemo.bench.memory '{"model": "faces", "contender": "azula", "seeds": [1, 16], "steps": 20}'
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
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Usage:
    """Memory of one run in bytes: what the process held before, and the most it held until the run was over."""

    before: int
    peak: int

    @property
    def rise(self) -> int:
        """How much the run took."""
        return self.peak - self.before


def measure(model: str, seeds: Sequence[int], steps: int, contender: str = "") -> list[Usage]:
    """The memory of runs with these numbers of seeds, rising, one after the other in one new process.

    Args:
        model: a bundled model or a diffusers folder.
        seeds: pictures of each run.
        steps: network calls for each.
        contender: who denoises, by its name in `peers`; nothing for a whole RoundTrip experiment, judged and with its path, from n = T.
    """
    task = json.dumps({"model": model, "contender": contender, "seeds": sorted(seeds), "steps": steps})
    heaps = {"MALLOC_ARENA_MAX": "2"}  # as app.py has it, see guard.few_heaps
    done = subprocess.run([sys.executable, "-m", __name__, task], stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **heaps})
    return [Usage(**usage) for usage in json.loads(done.stdout.splitlines()[-1])]


def resident() -> tuple[int, int]:
    """Bytes that this process has in memory now, and the most it has had since `forget_peak`, or in all where that cannot be done."""
    if not _STATUS.exists():
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return most, most
    status = _STATUS.read_text()
    found = {name: int(kilobytes) * 1024 for name, kilobytes in re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status)}
    return found["VmRSS"], found["VmHWM"]


def forget_peak() -> None:
    """Let the high-water mark begin anew, where Linux lets it."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")


def _run(model: str, contender: str, seeds: list[int], steps: int) -> list[Usage]:
    """What the new process does."""
    from diffdemo.bench import peers
    from diffdemo.experiment import RoundTrip
    from diffdemo.lab import run
    from diffdemo.models import load_model
    from diffdemo.noise import noise

    loaded, found = load_model(model), []
    denoise = peers.prepare(loaded, contender)[0][contender] if contender else None
    for count in seeds:
        forget_peak()
        before, _ = resident()
        if denoise:
            denoise(noise(range(count), loaded.shape), steps)
        else:
            run(RoundTrip(loaded.name, n=loaded.schedule.T, seeds=tuple(range(count)), steps=steps), loaded)
        found.append(Usage(before, resident()[1]))
    return [Usage(found[0].before, usage.peak) for usage in found]  # what the runs before left behind is theirs too


if __name__ == "__main__":
    print(json.dumps([asdict(usage) for usage in _run(**json.loads(sys.argv[1]))]))
