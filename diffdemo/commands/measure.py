"""Commands that measure: `evaluate`, `curves`, `exactness` and `tradeoff`."""

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from diffdemo.errors import DiffdemoError
from diffdemo.fields import FIELDS
from diffdemo.terms import SOLVERS, SPACINGS

PICTURES = {"faces": "face:900000-900015", "digits": "digit:0-15"}
DDIM_STEPS, FIXED_POINT_STEPS = "10,20,50,100,200,500,1000", "10,20,50"  # whose round trips are measured


def add(commands: Any) -> None:
    """Add the commands of this family to the parser."""
    for add_one in (_add_evaluate, _add_curves, _add_exactness, _add_tradeoff):
        add_one(commands)


def _add_evaluate(commands: Any) -> None:
    evaluate = commands.add_parser("evaluate", help="measure a bundled model: its samples, its guesses against exact ones, what survives n steps")
    evaluate.add_argument("model", help="which model: faces or digits")
    evaluate.add_argument("--samples", type=int, default=500, help="unconditional samples (default 500)")
    evaluate.add_argument("--guesses", type=int, default=200, help="pictures on which guesses are compared (default 200)")
    evaluate.add_argument("--faces", type=int, default=200, help="faces sent there and back (default 200)")
    evaluate.add_argument("--sheet", type=Path, help="also write 64 real pictures beside 64 samples to this PNG")
    evaluate.set_defaults(run=_evaluate)


def _add_curves(commands: Any) -> None:
    curves = commands.add_parser("curves", help="what is known and what is kept at every n, averaged over pictures: CSV and PNG")
    curves.add_argument("--model", default="faces", help="faces or digits (default faces)")
    curves.add_argument("--pictures", help=f"as face:0-15 or digit:3,digit:7 (default {' or '.join(PICTURES.values())})")
    for name, default in (("levels", "0:1000:50"), ("seeds", "0-3"), ("steps", "20"), ("eta", "0"), ("spacing", "trailing")):
        curves.add_argument(f"--{name}", default=default, help=f"{FIELDS[name].help} (default {default})")
    curves.add_argument("--out", type=Path, default=Path("curves"), help="where to write, without ending (default curves)")
    curves.set_defaults(run=_curves)


def _add_exactness(commands: Any) -> None:
    exactness = commands.add_parser("exactness", help="how exact round trips from n = T are, by method and number of steps, as a table")
    exactness.add_argument("model", help="a bundled model or a diffusers folder")
    exactness.add_argument("--pictures", help=f"as face:0-15 or digit:3,digit:7 (default {' or '.join(PICTURES.values())})")
    exactness.add_argument("--steps", default=DDIM_STEPS, help=f"numbers of steps of DDIM (default {DDIM_STEPS})")
    exactness.add_argument("--fixed-point", default=FIXED_POINT_STEPS, help=f"those of the fixed point, or nothing (default {FIXED_POINT_STEPS})")
    exactness.set_defaults(run=_exactness)


def _add_tradeoff(commands: Any) -> None:
    tradeoff = commands.add_parser("tradeoff", help="how good pictures are by solver, spacing and number of network calls, as a table")
    tradeoff.add_argument("model", help="which model: faces or digits")
    tradeoff.add_argument("--n", nargs="+", type=int, default=[1000, 500], help="from which levels; 1000 is pure noise (default 1000 500)")
    tradeoff.add_argument("--solvers", nargs="+", choices=SOLVERS, default=SOLVERS, help="which solvers (default all)")
    tradeoff.add_argument("--spacings", nargs="+", choices=SPACINGS, default=SPACINGS, help="which spacings (default all)")
    tradeoff.add_argument("--calls", nargs="+", type=int, default=[6, 8, 10, 12, 20, 50], help="network calls (default 6 8 10 12 20 50)")
    tradeoff.add_argument("--samples", type=int, default=1024, help="pictures a setting; below 1000 only distances to answers (default 1024)")
    tradeoff.add_argument("--store", type=Path, default=Path("tradeoff"), help="folder that keeps what was measured, never measured again")
    tradeoff.add_argument("--sheet", type=Path, help="also write pictures to this PNG: 8 rows for each solver and spacing, a column a number")
    tradeoff.set_defaults(run=_tradeoff)


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


def _curves(args: argparse.Namespace) -> None:
    from PIL import Image

    from diffdemo import curves, figures, models
    from diffdemo.experiment import Curve
    from diffdemo.fields import parse_pictures

    model = models.load_model(args.model)
    if model.line_up is None:
        raise DiffdemoError(f"The model {args.model} has no line-up, so nothing exact is known of it; curves knows {' and '.join(models.BUNDLED)}.")
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


def _tradeoff(args: argparse.Namespace) -> None:
    import numpy as np
    from PIL import Image

    from diffdemo import models
    from diffdemo.tradeoff import Setting, Trial, sheet, table

    trial = Trial(models.load_model(args.model), args.store)
    grids = [[Setting(n, solver, spacing, calls) for calls in args.calls] for n in args.n for solver in args.solvers for spacing in args.spacings]
    for setting in tqdm([setting for grid in grids for setting in grid], desc="settings", unit="setting"):
        trial.judge(setting, args.samples)
    for n in args.n:
        print(f"{args.model} from n = {n}; as many real pictures have a Fréchet distance of {trial.floor(args.samples):.2f}\n")
        print("\n".join(table(trial.outcomes(), n)) + "\n")
    if args.sheet:
        blocks = [np.pad(sheet(trial, grid), ((0, 12), (0, 0), (0, 0)), constant_values=255) for grid in grids]
        Image.fromarray(np.concatenate(blocks).squeeze()).save(args.sheet, optimize=True)
