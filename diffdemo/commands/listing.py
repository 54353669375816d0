"""`models`: the table of models."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser."""
    listing = commands.add_parser("models", help="the models that can be named, with size, licence and a rough time on this machine")
    listing.add_argument("--pin", action="store_true", help="ask the Hub which commit each revision stands for, to be written into the table")
    listing.set_defaults(run=_models)


def _models(args: argparse.Namespace) -> None:
    from diffdemo import models

    for line in models.pin_lines() if args.pin else models.table_lines():
        print(line)
