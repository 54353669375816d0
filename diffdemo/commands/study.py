"""`study`: a grid of round trips that outgrows one process."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from diffdemo.commands.options import Commands, add_field, add_pictures, given, pictures
from diffdemo.lab.field import fields_of
from diffdemo.measure.study import Study

if TYPE_CHECKING:
    from diffdemo.models import Model

OWN = ("model", "pictures")  # fields whose options differ from what a link takes


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "study",
        help="there and back over pictures x levels x seeds, resumable, in any number of "
        "processes: CSV",
    )
    parser.add_argument(
        "--model", default="faces", help="a bundled model or a diffusers folder (default faces)"
    )
    add_pictures(parser)
    for name, field in fields_of(Study).items():
        if name not in OWN:
            flags = ("--n", "--levels") if name == "levels" else ()
            add_field(parser, name, field, *flags)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("study"),
        help="folder for study.csv and its shards; a study begun there resumes (default study)",
    )
    parser.set_defaults(run=_study)


def _study(args: argparse.Namespace) -> None:
    from diffdemo.measure.study.processes import team, together
    from diffdemo.measure.study.report import means, report
    from diffdemo.measure.study.run import run

    process = team()
    quiet = not process.is_main_process
    settings, model = together(lambda: _settings(args, str(process.device)))
    progress = run(settings, model, args.out)
    start = next(progress)
    options = {"total": start.total, "initial": start.done, "desc": "study", "unit": "row"}
    with tqdm(**options, disable=quiet) as bar:
        for now in progress:
            bar.update(now.done - bar.n)
    if not quiet:
        table = args.out / "study.csv"
        print("\n".join(report(settings, means(table))))
        print(f"\nWritten: {table}")
    process.destroy_process_group()


def _settings(args: argparse.Namespace, device: str) -> tuple[Study, "Model"]:
    from diffdemo.models import load_model

    model = load_model(args.model, "cpu" if device.startswith("cpu") else device)
    fields = [name for name in fields_of(Study) if name not in OWN]
    return Study(model.name, pictures(args, model), **given(args, fields)), model
