"""How long the page takes to answer, against the imports that it cannot do without; each in a new process, in turn."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diffdemo.bench.turns import Timing, take_turns, timings
from diffdemo.errors import DiffdemoError

APP = Path(__file__).parent.parent.parent / "app.py"
IMPORTS = "import gradio, torch; print('ready', flush=True)"
PATIENCE = 300.0  # seconds, then something is wrong
_POLL = 0.005


def measure(rounds: int = 5) -> list[Timing]:
    """From the start of a process to the end of `import gradio, torch`, and to the first answer of `python app.py`; one unmeasured round first.

    Raises:
        DiffdemoError: rounds is below 1, app.py is not there, or it ends or stays silent.
    """
    if rounds < 1 or not APP.is_file():
        raise DiffdemoError("The start is measured at least once, and where app.py is, beside the folder diffdemo.")
    runs = {"import gradio, torch": seconds_to_import, "app.py, first HTTP answer": seconds_to_answer}
    take_turns(runs, 1)
    return timings(take_turns(runs, rounds))


def seconds_to_import() -> float:
    """Seconds from the start of Python until both are imported."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", IMPORTS], stdout=subprocess.PIPE) as process:
        process.stdout.readline()  # type: ignore[union-attr]
        return time.perf_counter() - began


def seconds_to_answer() -> float:
    """Seconds from the start of Python until the page is served, whole."""
    began = time.perf_counter()
    with served():
        return time.perf_counter() - began


@contextmanager
def served() -> Iterator[str]:
    """The address of `python app.py` in a process of its own, once it answers.

    Raises:
        DiffdemoError: it ends or stays silent.
    """
    port, began = _free_port(), time.perf_counter()
    address = f"http://127.0.0.1:{port}/"
    process = subprocess.Popen([sys.executable, str(APP), "--lazy", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(address):
            if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise DiffdemoError("The page did not come up; `python app.py` says why.")
            time.sleep(_POLL)
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
        return probe.getsockname()[1]
