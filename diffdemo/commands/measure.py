"""Commands that measure: `evaluate`, `curves`, `exactness` and `tradeoff`."""

import argparse
from pathlib import Path

from tqdm import tqdm

from diffdemo.commands.options import Commands, add_field, add_pictures, given, pictures, show
from diffdemo.diffusion.terms import SOLVERS, SPACINGS
from diffdemo.experiments import Curve

CURVE_FIELDS = ("levels", "seeds", "steps", "eta", "spacing")
DDIM_STEPS = "10,20,50,100,200,500,1000"  # whose round trips are measured
FIXED_POINT_STEPS = "10,20,50"


def add(commands: Commands) -> None:
    """Add the commands of this module to the parser."""
    for add_one in (_add_evaluate, _add_curves, _add_exactness, _add_tradeoff):
        add_one(commands)


def _add_evaluate(commands: Commands) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a bundled model: its samples, its guesses against exact ones, what survives "
        "n steps",
    )
    option = parser.add_argument
    option("model", help="which model: faces or digits")
    option("--samples", type=int, default=500, help="unconditional samples (default 500)")
    guesses = "pictures on which guesses are compared (default 200)"
    option("--guesses", type=int, default=200, help=guesses)
    option("--faces", type=int, default=200, help="faces sent there and back (default 200)")
    sheet = "also write 64 real pictures beside 64 samples to this PNG"
    option("--sheet", type=Path, help=sheet)
    parser.set_defaults(run=_evaluate)


def _add_curves(commands: Commands) -> None:
    parser = commands.add_parser(
        "curves",
        help="what is known and what is kept at every n, averaged over pictures: CSV and PNG",
    )
    parser.add_argument("--model", default="faces", help="faces or digits (default faces)")
    add_pictures(parser)
    for name in CURVE_FIELDS:
        add_field(parser, name, Curve.fields()[name])
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("curves"),
        help="where to write, without suffix (default curves)",
    )
    parser.set_defaults(run=_curves)


def _add_exactness(commands: Commands) -> None:
    parser = commands.add_parser(
        "exactness",
        help="how exact round trips from n = T are, by method and number of steps, as a table",
    )
    option = parser.add_argument
    option("model", help="a bundled model or a diffusers folder")
    add_pictures(parser)
    option("--steps", default=DDIM_STEPS, help=f"numbers of steps of DDIM (default {DDIM_STEPS})")
    fixed_point = f"those of the fixed point, or nothing (default {FIXED_POINT_STEPS})"
    option("--fixed-point", default=FIXED_POINT_STEPS, help=fixed_point)
    parser.set_defaults(run=_exactness)


def _add_tradeoff(commands: Commands) -> None:
    parser = commands.add_parser(
        "tradeoff",
        help="how good pictures are by solver, spacing and number of network calls, as a table",
    )
    option = parser.add_argument
    option("model", help="which model: faces or digits")
    levels = "from which levels; 1000 is pure noise (default 1000 500)"
    option("--n", nargs="+", type=int, default=[1000, 500], help=levels)
    for name, choices in (("solvers", SOLVERS), ("spacings", SPACINGS)):
        text = f"which {name} (default all)"
        option(f"--{name}", nargs="+", choices=choices, default=choices, help=text)
    calls = "network calls (default 6 8 10 12 20 50)"
    option("--calls", nargs="+", type=int, default=[6, 8, 10, 12, 20, 50], help=calls)
    samples = "pictures a setting; below 1000 only distances to answers (default 1024)"
    option("--samples", type=int, default=1024, help=samples)
    store = "folder of what was measured, which is never measured again (default tradeoff)"
    option("--store", type=Path, default=Path("tradeoff"), help=store)
    sheet = "also write pictures to this PNG: 8 rows for each solver and spacing, a column a number"
    option("--sheet", type=Path, help=f"{sheet} of calls")
    parser.set_defaults(run=_tradeoff)


def _evaluate(args: argparse.Namespace) -> None:
    from PIL import Image

    from diffdemo.measure import evaluation, grading, samples
    from diffdemo.models import load_model
    from diffdemo.pictures.readers import accuracy, load_reader

    model = load_model(args.model)
    name = samples.require_line_up(model)
    if args.sheet:
        Image.fromarray(samples.sheet(model).squeeze()).save(args.sheet, optimize=True)
        print(f"Real pictures on the left, samples on the right: {args.sheet}\n")
    show(grading.guess_table(list(grading.guesses(model, args.guesses))))
    shares = accuracy(load_reader(name)).items()
    print(f"Reader of {name}: {', '.join(f'{what} {share:.2%}' for what, share in shares)}\n")
    drawn = samples.draw_samples(model, args.samples)
    if name == "digits":
        show(grading.digit_table(grading.grade_digits(drawn), args.samples))
        return
    show(evaluation.sample_table(evaluation.judge_samples(drawn)))
    total = len(evaluation.LEVELS) * (len(evaluation.SAMPLERS) + 1)
    trips = evaluation.survival(model, args.faces, evaluation.LEVELS)
    show(evaluation.survival_tables(list(tqdm(trips, total=total, desc="round trips"))))


def _curves(args: argparse.Namespace) -> None:
    from diffdemo.measure import charts, curves
    from diffdemo.measure.samples import require_line_up
    from diffdemo.models import load_model

    charts.require_matplotlib()
    model = load_model(args.model)
    require_line_up(model)
    names = pictures(args, model)
    settings = Curve(model.name, **given(args, CURVE_FIELDS))
    runs = curves.measure(model, names, settings)
    results = list(tqdm(runs, total=len(names), desc="curves", unit="picture"))
    found = curves.summary(results)
    grid = f"{len(names)} pictures x {len(settings.seeds)} seeds"
    title = f"{args.model}: {grid}, {settings.steps} steps, eta {settings.eta:g}"
    table = args.out.with_suffix(".csv")
    picture = args.out.with_suffix(".png")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    curves.write_csv(results, table)
    charts.write([curves.chart(found, title)], picture)
    print(f"Written: {table} and {picture}")
    for what, n in found.halves.items():
        print(f"{what}: {'not between these levels' if n is None else f'n = {n:.0f}'}")
    print(f"speciation: n = {found.speciation:.0f}")


def _exactness(args: argparse.Namespace) -> None:
    from diffdemo.measure import exactness
    from diffdemo.models import load_model

    model = load_model(args.model)
    names = pictures(args, model)
    steps = exactness.parse_steps(args.steps)
    plan = exactness.Plan(model, names, steps, exactness.parse_steps(args.fixed_point))
    with tqdm(total=plan.steps, desc="round trips", unit="step") as bar:
        found = exactness.measure(plan, bar.update)
    print(f"{args.model}: {len(names)} pictures from n = {found.T}\n")
    print("\n".join(exactness.report(found)))


def _tradeoff(args: argparse.Namespace) -> None:
    import numpy as np
    from PIL import Image

    from diffdemo.measure.tradeoff import Setting, Trial, tradeoff_table
    from diffdemo.models import load_model

    trial = Trial(load_model(args.model), args.store)
    grids = [
        [Setting(n, solver, spacing, calls) for calls in args.calls]
        for n in args.n
        for solver in args.solvers
        for spacing in args.spacings
    ]
    settings = [setting for grid in grids for setting in grid]
    for setting in tqdm(settings, desc="settings", unit="setting"):
        trial.judge(setting, args.samples)
    for n in args.n:
        floor = f"as many real pictures have a Fréchet distance of {trial.floor(args.samples):.2f}"
        print(f"{args.model} from n = {n}; {floor}\n")
        show(tradeoff_table(trial.outcomes(), n))
    if args.sheet:
        gap = ((0, 12), (0, 0), (0, 0))
        blocks = [np.pad(trial.sheet(grid), gap, constant_values=255) for grid in grids]
        Image.fromarray(np.concatenate(blocks).squeeze()).save(args.sheet, optimize=True)
