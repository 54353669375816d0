"""`study`: a grid of round trips that outgrows one process."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from diffdemo.commands.measure import PICTURES
from diffdemo.fields import FIELDS

if TYPE_CHECKING:
    from diffdemo.models import Model
    from diffdemo.study import Study

NAMES = ("levels", "seeds", "steps", "eta", "solver", "spacing", "prompt", "guidance")


def add(commands: Any) -> None:
    """Add the command to the parser."""
    study = commands.add_parser("study", help="there and back over pictures x levels x seeds, resumable, in any number of processes: CSV")
    study.add_argument("--model", default="faces", help="a bundled model or a diffusers folder (default faces)")
    study.add_argument("--pictures", help=f"{FIELDS['pictures'].help} (default {' or '.join(PICTURES.values())})")
    flags = {"levels": ("--n", "--levels")}
    for name in NAMES:
        field = FIELDS[name]
        default = field.write(field.default) or str(field.default)  # guidance that is off is written as nothing in a link
        study.add_argument(*flags.get(name, (f"--{name}",)), dest=name, default=default, help=f"{field.help} (default {default or 'nothing'})")
    study.add_argument(
        "--out", type=Path, default=Path("study"), help="folder for study.csv and its shards; a study begun there goes on (default study)"
    )
    study.set_defaults(run=_study)


def _study(args: argparse.Namespace) -> None:
    from diffdemo import study

    team = study.team()
    settings, model = study.together(lambda: _study_settings(args))
    progress = study.study(settings, model, args.out)
    start, quiet = next(progress), not team.is_main_process
    with tqdm(total=start.total, initial=start.done, desc="study", unit="row", disable=quiet) as bar:
        for now in progress:
            bar.update(now.done - bar.n)
    if not quiet:
        table = settings.shards(args.out).table
        print("\n".join(study.report(settings, study.means(table))))
        print(f"\nWritten: {table}")
    team.destroy_process_group()


def _study_settings(args: argparse.Namespace) -> tuple["Study", "Model"]:
    from diffdemo import models, study

    device = study.team().device  # accelerate calls the CPU cpu:0
    model = models.load_model(args.model, "cpu" if device.type == "cpu" else str(device))
    pictures: Any = args.pictures or PICTURES[model.line_up or "faces"]
    return study.Study(model.name, pictures, **{name: getattr(args, name) for name in NAMES}), model
