"""Run app.py and log what it looks up, connects to and opens.

Each name looked up, each address connected to, and each opened file whose path contains a mark is a
line in the log. Usage: python watched_app.py LOG MARK[,MARK…] …
"""

import runpy
import sys
from pathlib import Path

LOG, MARKS, *ARGUMENTS = sys.argv[1:]
APP = Path(__file__).parent.parent / "app.py"
log = open(LOG, "a", buffering=1)  # noqa: SIM115 - open as long as the server runs
marks = MARKS.split(",")


def watch(event: str, arguments: tuple) -> None:
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        log.write(f"{event} {arguments[0]}\n")
    elif event == "socket.connect":
        log.write(f"{event} {arguments[1]}\n")
    elif event == "open" and any(mark in str(arguments[0]) for mark in marks):
        log.write(f"{event} {arguments[0]}\n")


sys.addaudithook(watch)
sys.argv = [str(APP), *ARGUMENTS]
sys.path[0] = str(APP.parent)
runpy.run_path(str(APP), run_name="__main__")
