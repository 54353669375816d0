"""`screenshots`: pictures of the page."""

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser."""
    shots = commands.add_parser("screenshots", help="pictures of every tab at 1280 and 390 pixels, light and dark; needs playwright and a Chromium")
    shots.add_argument("--out", type=Path, required=True, help="the folder that they are written to")
    shots.set_defaults(run=_screenshots)


def _screenshots(args: argparse.Namespace) -> None:
    from diffdemo.bench import screenshots

    for path in screenshots.take(args.out):
        print(path, flush=True)
