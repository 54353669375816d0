"""One command for each experiment, made from its fields, and `link`, which runs any of them."""

import argparse
import os
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from diffdemo.commands.options import Commands, add_field, escaped, given
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.lab import fields
from diffdemo.lab.experiment import KINDS, Experiment, experiment_from_query

if TYPE_CHECKING:
    from PIL.Image import Image

    from diffdemo.models import Model

LINK = "a link, its query, or a PNG of ours"
ON_DISK = "a picture file on this disk"
ALSO = {  # what a command accepts and a link does not
    "model": ", or a diffusers folder or a model of the Hub",
    "picture": f", or {ON_DISK}",
    "other": f", or {ON_DISK}",
}
NAMED = re.compile(r"(face|digit|png|sha256):")


@dataclass(frozen=True, eq=False)
class Task:
    """What the arguments ask for.

    Attributes:
        experiment: to run.
        model: to run it with.
        given: the picture, where the experiment names only its hash.
    """

    experiment: Experiment
    model: "Model"
    given: "Image | None"


def add(commands: Commands) -> None:
    """Add the commands of this module to the parser."""
    for kind in KINDS.values():
        about = escaped(kind.about())
        parser = commands.add_parser(kind.kind, help=about.rstrip("."), description=about)
        parser.add_argument("--link", help=f"{LINK}, to run again; the other options change it")
        for name, field in kind.fields().items():
            add_field(parser, name, field, also=ALSO.get(name, ""))
        _finish(parser, kind)
    about = "run the experiment of a link again, whatever its kind"
    parser = commands.add_parser("link", help=about, description=f"{about.capitalize()}.")
    parser.add_argument("link", help=LINK)
    for name, field in (("model", fields.MODEL), ("picture", fields.PICTURE)):
        text = f"instead of the link's: {field.help}{ALSO[name]}"
        parser.add_argument(f"--{name}", help=escaped(text))
    _finish(parser, None)


def _finish(parser: argparse.ArgumentParser, kind: type[Experiment] | None) -> None:
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write the result, as .png, .json, .csv, .gif, .webp or .zip; any number of times",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_run, kind=kind)


def _run(args: argparse.Namespace) -> None:
    from diffdemo.report import exports
    from diffdemo.report.presenter import present

    task = _task(args)
    _warn(task)
    result = _result(task, args.quiet)
    presenter = present(result)
    print(presenter.sentence())
    for path in args.out:
        exports.write(result, path, task.model.schedule, given=task.given)
        print(f"Written: {path}")
    if not args.out:
        print(presenter.note())
        print(result.experiment.to_query())


def _result(task: Task, quiet: bool) -> Any:
    """Run the experiment with a progress bar; returns its result."""
    from diffdemo import lab
    from diffdemo.lab.progress import Progress

    result = None
    with tqdm(desc=task.experiment.kind, unit="call", disable=quiet) as bar:
        for item in lab.stream(task.experiment, task.model, task.given):
            if isinstance(item, Progress):
                bar.total = item.total
                bar.update(item.done - bar.n)
            else:
                result = item
    return result


def _warn(task: Task) -> None:
    """Say so on stderr if the link was made with other weights."""
    revision = task.experiment.revision
    if revision and revision != task.model.revision:
        here = f"the model {task.model.name} here has {task.model.revision}"
        text = f"The link was made with the weights {revision} and {here}"
        print(f"diffdemo: {text}, so the result may differ.", file=sys.stderr)


def _task(args: argparse.Namespace) -> Task:
    """Return the link's experiment or the default one, changed by the options.

    Bad options are refused before the seconds that a model takes to load.
    """
    from diffdemo.report import exports

    experiment, picture = _linked(args.link, args.kind) if args.link else (args.kind(), None)
    options = given(args, experiment.fields())
    files = {}
    for name in ("picture", "other"):
        if options.get(name) and not NAMED.match(options[name]):
            files[name] = Path(options.pop(name))
    model_name = options.pop("model", None)
    experiment = replace(experiment, **options)
    for path in args.out:
        exports.check(path, type(experiment))
    model = _model(experiment, model_name, args.device)
    experiment = replace(experiment, model=model.name)
    for name, path in files.items():
        text, found = _read_picture(path, model)
        experiment = replace(experiment, **{name: text})
        if name == "picture":
            picture = found
    return Task(experiment, model, picture)


def _linked(link: str, kind: type[Experiment] | None) -> tuple[Experiment, "Image | None"]:
    """Read the experiment of a link, of its query, or of a PNG of ours with its picture."""
    picture = None
    if "=" not in link and os.path.isfile(link):
        experiment, picture = _read_png(Path(link))
    else:
        experiment = experiment_from_query(link.partition("#")[0].partition("?")[2] or link)
    if kind and not isinstance(experiment, kind):
        right = f"the command for it is {experiment.kind}, or link"
        raise ExperimentError(
            f"This link is of the experiment {experiment.kind}, not {kind.kind}; {right}."
        )
    return experiment, picture


def _read_png(path: Path) -> tuple[Experiment, "Image | None"]:
    from diffdemo.pictures import decoding
    from diffdemo.report import exports

    found = exports.read_experiment(decoding.read_file(path))
    if found is None:
        right = "a PNG written by diffdemo does"
        raise ExperimentError(f"The file {path.name!r} does not remember an experiment; {right}.")
    return found


def _model(experiment: Experiment, name: str | None, device: str | None) -> "Model":
    """Load the model that the options name; one that only a link names must be in the table."""
    from diffdemo import models
    from diffdemo.lab.prepare import resolve

    if name or models.find(experiment.model):
        return models.load_model(name or experiment.model, device)
    return resolve(experiment, None)


def _read_picture(path: Path, model: "Model") -> tuple[str, "Image"]:
    """Return how an experiment names a picture on the disk, and the picture fitted to the model."""
    from diffdemo.lab.prepare import picture_text
    from diffdemo.pictures import decoding

    if not os.path.isfile(path):
        needed = f"{fields.PICTURE.help}, or {ON_DISK}"
        raise DiffdemoError(f"There is no picture {str(path)[:80]!r}: {needed} is needed.")
    picture = model.fit_picture(decoding.load_picture(path))
    return picture_text(model, picture), picture
