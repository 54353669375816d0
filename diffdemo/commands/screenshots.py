"""`screenshots`: pictures of the page."""

import argparse
from pathlib import Path

from diffdemo.commands.options import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "screenshots",
        help="pictures of every tab at 1280 and 390 pixels, light and dark; needs playwright and "
        "a Chromium",
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to write them to")
    parser.set_defaults(run=_screenshots)


def _screenshots(args: argparse.Namespace) -> None:
    from diffdemo.measure.bench import screenshots

    for path in screenshots.take(args.out):
        print(path, flush=True)
