"""The command line: `python -m diffdemo COMMAND`; the commands are in `commands`."""

import argparse
import sys
from typing import Any, NoReturn

from diffdemo.commands import FAMILIES
from diffdemo.errors import DiffdemoError


class Parser(argparse.ArgumentParser):
    """Takes options by their full names only, and refuses others in one line."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Leave with code 2."""
        self.exit(2, f"diffdemo: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each sets `run`, a function of the parsed arguments."""
    parser: argparse.ArgumentParser = Parser(
        prog="python -m diffdemo",
        description="Run the experiments, train, measure and time the bundled models.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for add in FAMILIES:
        add(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0, 2 with one sentence on stderr for bad input, or 130 after Ctrl-C.
    """
    args = build_parser().parse_args(arguments)
    try:
        args.run(args)
    except DiffdemoError as error:
        print(f"diffdemo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
