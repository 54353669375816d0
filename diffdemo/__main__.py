"""The command line: `python -m diffdemo train|evaluate|bench`."""

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from diffdemo.errors import DiffdemoError


def _train(args: argparse.Namespace) -> None:
    from diffdemo import models, training

    out = args.out or models.WEIGHTS / args.name
    reports = training.train(args.name, args.minutes, args.state or Path(".training") / f"{args.name}.pt", out, training.DTYPES[args.dtype])
    quiet = os.environ.get("LOCAL_RANK", "0") != "0"  # under accelerate launch only the first process talks
    with tqdm(total=100, unit="%", disable=quiet, bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}") as bar:
        for report in reports:
            bar.update(min(100.0, 100 * report.share) - bar.n)
            bar.set_postfix_str(f"step {report.step}, {report.pictures:,} pictures, loss {report.loss:.4f}", refresh=False)
    if not quiet:
        print(f"The model is in {out}.")


def _evaluate(args: argparse.Namespace) -> None:
    from PIL import Image

    from diffdemo import evaluation, models

    model = models.load_model(args.model)
    if model.line_up != "faces":
        raise DiffdemoError(f"The attributes of {args.model} cannot be read; evaluate knows faces.")
    if args.sheet:
        Image.fromarray(evaluation.sheet(model)).save(args.sheet, optimize=True)
        print(f"Real faces on the left, samples on the right: {args.sheet}\n")
    report = evaluation.judge_samples(evaluation.draw_samples(model, args.samples))
    print("\n".join(evaluation.sample_table(report)) + "\n")
    round_trips = evaluation.survival(model, args.faces, evaluation.LEVELS)
    reports = list(tqdm(round_trips, total=len(evaluation.LEVELS) * (len(evaluation.SAMPLERS) + 1), desc="round trips"))
    print("\n".join(evaluation.survival_tables(reports)))


def _bench(args: argparse.Namespace) -> None:
    from diffdemo import bench, models

    timings = bench.compare(models.load_model(args.model), args.seeds, args.steps, args.rounds)
    print(f"{args.seeds} seeds x {args.steps} steps from n = T, median of {args.rounds} rounds in turn\n")
    print("| | seconds | time over ours | largest difference |\n|---|---|---|---|")
    for t in timings:
        print(f"| {t.name} | {t.seconds:.2f} | {t.ratio:.2f} | {t.difference:.1e} |")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `run`, a function of the parsed arguments."""
    parser = argparse.ArgumentParser(prog="python -m diffdemo", description="Train, measure and time the bundled models.")
    commands = parser.add_subparsers(required=True, metavar="command")
    train = commands.add_parser("train", help="train a bundled model from scratch (resumes if it was stopped)")
    train.add_argument("name", help="which model: faces")
    train.add_argument("--minutes", type=float, default=75, help="time in all, in minutes (default 75)")
    train.add_argument("--state", type=Path, help="file to resume from (default .training/NAME.pt)")
    train.add_argument("--out", type=Path, help="folder for the pipeline (default: the bundled weights)")
    train.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto", help="what the network computes in")
    train.set_defaults(run=_train)
    evaluate = commands.add_parser("evaluate", help="measure a bundled model: legal samples, attribute frequencies, what survives n steps")
    evaluate.add_argument("model", help="which model: faces")
    evaluate.add_argument("--samples", type=int, default=500, help="unconditional samples (default 500)")
    evaluate.add_argument("--faces", type=int, default=200, help="faces sent there and back (default 200)")
    evaluate.add_argument("--sheet", type=Path, help="also write 64 real faces beside 64 samples to this PNG")
    evaluate.set_defaults(run=_evaluate)
    bench = commands.add_parser("bench", help="time our sampler against diffusers, same weights and noise")
    bench.add_argument("--model", default="faces", help="a bundled model or a diffusers folder (default faces)")
    bench.add_argument("--seeds", type=int, default=16, help="pictures denoised (default 16)")
    bench.add_argument("--steps", type=int, default=20, help="network calls for each (default 20)")
    bench.add_argument("--rounds", type=int, default=5, help="times each contestant runs (default 5)")
    bench.set_defaults(run=_bench)
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
