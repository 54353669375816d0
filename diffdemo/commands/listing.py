"""`models`: the table of models."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from diffdemo.commands.options import Commands
from diffdemo.report.markdown import table

if TYPE_CHECKING:
    from diffdemo.models import TableEntry

ROWS = 16  # of the run whose time is estimated
CALLS = 20  # for each row
HEAD = ("model", "kind", "picture", "download", "licence", "revision")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    listing = commands.add_parser(
        "models",
        help="list the models that have a name, with size, licence and about how long a run takes",
    )
    listing.add_argument(
        "--pin",
        action="store_true",
        help="ask the Hub which commit each revision stands for, to be written into the table",
    )
    listing.set_defaults(run=_models)


def _models(args: argparse.Namespace) -> None:
    for line in _pins() if args.pin else _lines():
        print(line)


def _lines() -> list[str]:
    from diffdemo.models import TABLE, duration, estimate_seconds

    head = (*HEAD, f"{ROWS} pictures, {CALLS} steps, about")
    rows = []
    for entry in TABLE:
        time = duration(estimate_seconds(entry, ROWS, CALLS))
        rows.append((*_cells(entry), time))
    return table(head, rows)


def _cells(entry: "TableEntry") -> tuple[str, ...]:
    width, height = entry.picture
    size = f"{entry.megabytes:,.0f} MB" if entry.megabytes else "unknown"
    revision = entry.revision if entry.verified else f"{entry.revision}, not verified"
    if entry.bundled:
        size = revision = "bundled"
    return entry.name, entry.kind, f"{width} x {height}", size, entry.licence, revision


def _pins() -> Iterator[str]:
    """Ask the Hub for the commit of each model's revision.

    Raises:
        ModelError: the Hub cannot be reached, or does not know one of them.
    """
    from diffdemo.models import TABLE, hub

    for entry in TABLE:
        if not entry.bundled:
            yield f"{entry.name}: {hub.commit(entry.name, entry.revision)}"
