"""The app as visitors meet it: `python app.py` in a process of its own, with its log, its memory and its threads in sight."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
START = 120.0  # seconds until it answers, at most


@dataclass(frozen=True)
class Served:
    """A running server.

    Attributes:
        url: where it listens.
        pid: of its process.
        said: the file that its output goes to.
        files: the folder that its temporary files go to.
    """

    url: str
    pid: int
    said: Path
    files: Path

    def log(self) -> str:
        """All that it printed so far."""
        return self.said.read_text(errors="replace")

    def rss(self) -> int:
        """Bytes of memory that it occupies."""
        return int(self._status("VmRSS")) * 1024

    def threads(self) -> int:
        """How many threads it has."""
        return int(self._status("Threads"))

    def _status(self, name: str) -> str:
        """A number that Linux keeps about the process."""
        found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text(), re.M)
        assert found, name
        return found[1]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(*flags: str, env: dict[str, str] | None = None, program: Sequence[str] = ("app.py",)) -> Iterator[Served]:
    """The app on a free port of 127.0.0.1, on the CPU and with one thread a network call; it is ended on the way out, and ends well.

    Args:
        flags: more flags of app.py.
        env: more variables of its environment.
        program: the file that is run, and its own arguments before those of app.py.
    """
    port = free_port()
    command = [sys.executable, *program, "--server-name", "127.0.0.1", "--port", str(port), "--device", "cpu", "--lazy", *flags]
    with tempfile.TemporaryDirectory() as folder:
        said, files = Path(folder) / "server.log", Path(folder) / "files"
        more = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "GRADIO_TEMP_DIR": str(files), **(env or {})}
        with said.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT, env={**os.environ, **more}) as process:
            try:
                found = Served(f"http://127.0.0.1:{port}", process.pid, said, files)
                _wait(found, process)
                yield found
            finally:
                process.terminate()
                _ended(process)
        assert process.returncode == 0, said.read_text(errors="replace")[-2000:]


def _wait(server: Served, process: subprocess.Popen) -> None:
    """Until it answers."""
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{server.url}/health", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"The server did not start:\n{server.log()[-2000:]}")


def _ended(process: subprocess.Popen) -> None:
    """Wait for its end; one that does not heed is killed."""
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
