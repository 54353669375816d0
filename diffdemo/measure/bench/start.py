"""How long the page takes to answer, against the imports that it cannot do without.

Each is measured in a new process, in turn.
"""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diffdemo.errors import DiffdemoError
from diffdemo.measure.bench.turns import Timing, take_turns, timings

APP = Path(__file__).parents[3] / "app.py"
IMPORTS = "import gradio, torch; print('ready', flush=True)"
PATIENCE = 300.0  # seconds, then something is wrong
POLL = 0.005  # seconds


def measure(rounds: int = 5) -> list[Timing]:
    """Time `import gradio, torch`, and `python app.py` to its first answer, from Python's start.

    One round before is not measured.

    Raises:
        DiffdemoError: rounds is below 1, app.py is not there, or it ends or stays silent.
    """
    if rounds < 1 or not APP.is_file():
        raise DiffdemoError(
            "The start is measured at least once, and where app.py is, beside the folder diffdemo."
        )
    runs = {
        "import gradio, torch": seconds_to_import,
        "app.py, first HTTP answer": seconds_to_answer,
    }
    take_turns(runs, 1)
    return timings(take_turns(runs, rounds))


def seconds_to_import() -> float:
    """Return the seconds from the start of Python until both are imported."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", IMPORTS], stdout=subprocess.PIPE) as process:
        if process.stdout:
            process.stdout.readline()
        return time.perf_counter() - began


def seconds_to_answer() -> float:
    """Return the seconds from the start of Python until the whole page is served."""
    began = time.perf_counter()
    with served():
        return time.perf_counter() - began


@contextmanager
def served() -> Iterator[str]:
    """Serve the page by `python app.py` in a process of its own; yields its address.

    Raises:
        DiffdemoError: it ends or stays silent.
    """
    port = _free_port()
    address = f"http://127.0.0.1:{port}/"
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(APP), "--lazy", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _answers(address):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise DiffdemoError("The page did not come up; `python app.py` says why.")
            time.sleep(POLL)
        yield address
    finally:
        process.kill()
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            return bool(answer.read())
    except (urllib.error.URLError, ConnectionError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
