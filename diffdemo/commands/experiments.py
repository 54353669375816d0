"""One command for each experiment, made from its fields, and `link`, which runs any of them again from a link or a picture of ours."""

import argparse
import os
import re
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.experiment import KINDS, Experiment, experiment_from_query
from diffdemo.fields import FIELDS

ON_DISK = "a picture file on this disk"
MORE = {"model": "a diffusers folder or a model of the Hub", "picture": ON_DISK, "other": ON_DISK}  # what a command takes and a link does not
_NAMED = re.compile(r"(face|digit|png|sha256):")


def add(commands: Any) -> None:
    """Add the commands of this family to the parser."""
    for kind in KINDS.values():
        about = (kind.__doc__ or "").split("\n")[0]
        parser = commands.add_parser(kind.kind, help=about.rstrip("."), description=about)
        parser.add_argument("--link", help="a link, its query, or a PNG of ours, to run again; the other options change it")
        _add_fields(parser, kind)
        _add_output(parser)
        parser.set_defaults(run=_run, kind=kind)
    about = "run the experiment of a link again, whatever its kind"
    parser = commands.add_parser("link", help=about, description=f"{about.capitalize()}.")
    parser.add_argument("link", help="a link, its query, or a PNG of ours")
    for name in ("model", "picture"):
        parser.add_argument(f"--{name}", help=f"instead of the link's: {FIELDS[name].help}, or {MORE[name]}".replace("%", "%%"))
    _add_output(parser)
    parser.set_defaults(run=_run, kind=None)


def _add_fields(parser: argparse.ArgumentParser, kind: type[Experiment]) -> None:
    """An option for each field, with its bounds and what it is without."""
    for item in fields(kind):
        field, names = FIELDS[item.name], dict.fromkeys((f"--{item.name}", f"--{item.name.replace('_', '-')}"))
        more = f", or {MORE[item.name]}" if item.name in MORE else ""
        text = f"{field.help}{more} (default {field.write(item.default) or 'nothing'})"
        parser.add_argument(*names, dest=item.name, metavar=item.name.upper(), help=text.replace("%", "%%"))


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    parser.add_argument("--out", type=Path, action="append", default=[], metavar="FILE",
                        help="where to write the result, as .png, .json, .csv, .gif, .webp or .zip; any number of times")  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


@dataclass(frozen=True, eq=False)
class _Asked:
    """What the arguments ask for: the experiment, its model, and its picture where that is named by its hash only."""

    experiment: Any
    model: Any
    given: Image.Image | None


def _run(args: argparse.Namespace) -> None:
    from diffdemo import exports, lab, report

    asked = _asked(args)
    _warn(asked)
    item: Any = None
    with tqdm(desc=asked.experiment.kind, unit="call", disable=args.quiet) as bar:
        for item in lab.stream(asked.experiment, asked.model, asked.given):
            if isinstance(item, lab.Progress):
                bar.total = item.total
                bar.update(item.done - bar.n)
    print(report.sentence(item))
    for path in args.out:
        exports.write(item, path, asked.model.schedule, given=asked.given)
        print(f"Written: {path}")
    if not args.out:
        print(report.note(item))
        print(item.experiment.to_query())


def _warn(asked: _Asked) -> None:
    said, here = asked.experiment.revision, asked.model.revision
    if said and said != here:
        text = f"The link was made with the weights {said} and the model {asked.model.name} here has {here}, so the result may differ."
        print(f"diffdemo: {text}", file=sys.stderr)


def _asked(args: argparse.Namespace) -> _Asked:
    """The link's experiment or the default one, changed by the options, with its pictures read."""
    from diffdemo import exports

    experiment, given = _linked(args.link, args.kind) if args.link else (args.kind(), None)
    values = {item.name: value for item in fields(experiment) if (value := getattr(args, item.name, None)) is not None}
    files = {name: Path(values.pop(name)) for name in ("picture", "other") if values.get(name) and not _NAMED.match(values[name])}
    named = values.pop("model", None)
    experiment = replace(experiment, **values)  # what is wrong with the options is said before the seconds that a model takes
    for path in args.out:
        exports.check(path, experiment)
    model = _model(experiment, named, args.device)
    experiment = replace(experiment, model=model.name)
    for name, path in files.items():
        text, picture = _picture(path, model)
        experiment, given = replace(experiment, **{name: text}), picture if name == "picture" else given
    return _Asked(experiment, model, given)


def _linked(link: str, kind: type[Experiment] | None) -> tuple[Any, Image.Image | None]:
    """The experiment of a link, of its query, or of a PNG of ours, and the picture that the PNG holds."""
    from diffdemo import exports, images

    if "=" not in link and os.path.isfile(link):
        found = exports.read_experiment(images.read_file(Path(link)))
        if found is None:
            raise ExperimentError(f"The file {Path(link).name!r} does not remember an experiment; a PNG written by diffdemo does.")
    else:
        found = experiment_from_query(link.partition("#")[0].partition("?")[2] or link), None
    if kind and not isinstance(found[0], kind):
        raise ExperimentError(f"This link is of the experiment {found[0].kind}, not {kind.kind}; the command for it is {found[0].kind}, or link.")
    return found


def _model(experiment: Any, named: str | None, device: str | None) -> Any:
    """The model asked for by name or place; one that only a link names must be in the table of models."""
    from diffdemo import lab, models

    if named or models.find(experiment.model):
        return models.load_model(named or experiment.model, device)
    return lab.resolve(experiment, None)


def _picture(path: Path, model: Any) -> tuple[str, Image.Image]:
    """How an experiment names a picture on the disk, and the picture as it fits the model."""
    from diffdemo import images, lab

    if not os.path.isfile(path):
        raise DiffdemoError(f"There is no picture {str(path)[:80]!r}: {FIELDS['picture'].help}, or {ON_DISK} is needed.")
    picture = model.fitted(images.load_picture(path))
    return lab.picture_text(model, picture), picture
