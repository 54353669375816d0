"""The app as visitors meet it: `python app.py` in its own process, which can be watched."""

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
FLAGS = ("--server-name", "127.0.0.1", "--device", "cpu", "--lazy")
START_SECONDS = 120.0  # until it answers, at most
STOP_SECONDS = 10.0  # until it has ended, at most


@dataclass(frozen=True)
class Server:
    """A running app.

    Attributes:
        port: where it listens on 127.0.0.1.
        pid: of its process.
        log_file: its output.
        files: the folder of its temporary files.
    """

    port: int
    pid: int
    log_file: Path
    files: Path

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        """Return all that it printed so far."""
        return self.log_file.read_text(errors="replace")

    def memory(self) -> int:
        """Return the bytes of memory that it occupies."""
        return 1024 * self._status("VmRSS")

    def threads(self) -> int:
        """Return the number of its threads."""
        return self._status("Threads")

    def _status(self, name: str) -> int:
        """Return a number that Linux keeps about the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
        assert found, name
        return int(found[1])


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def run_app(program: Sequence[str] = ("app.py",), **variables: str) -> Iterator[Server]:
    """Run the app on the CPU with one thread a network call; at the end it must exit well.

    Args:
        program: the file to run, and arguments before those of app.py.
        variables: more variables of its environment.
    """
    port = free_port()
    command = [sys.executable, *program, "--port", str(port), *FLAGS]
    with tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder) / "server.log"
        files = Path(folder) / "files"
        usual = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "GRADIO_TEMP_DIR": str(files)}
        environment = {**os.environ, **usual, **variables}
        with log_file.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=environment)
        server = Server(port, process.pid, log_file, files)
        try:
            _wait_until_healthy(server, process)
            yield server
        finally:
            _stop(process)
        assert process.returncode == 0, server.log()[-2000:]


def _wait_until_healthy(server: Server, process: subprocess.Popen) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{server.url}/health", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"The server did not start:\n{server.log()[-2000:]}")


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
