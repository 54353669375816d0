"""The command `outcomes`: compute what the examples lead to at all levels, to be shipped."""

import argparse
from typing import TYPE_CHECKING

from tqdm import tqdm

from diffdemo.commands.options import Commands

if TYPE_CHECKING:
    from diffdemo.experiments import RoundTrip
    from diffdemo.experiments.round_trip.outcomes import Outcomes


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "outcomes", help="compute the outcomes of the examples at all levels, which are shipped"
    )
    names = "faces, digits; by default both"
    parser.add_argument("models", nargs="*", default=["faces", "digits"], help=names)
    parser.set_defaults(run=_outcomes)


def _outcomes(args: argparse.Namespace) -> None:
    from diffdemo.experiments.round_trip.outcomes import shipped_path, write
    from diffdemo.models import load_model
    from diffdemo.page.controls import example_trips

    trips = [trip for name in args.models for trip in example_trips(load_model(name, "cpu"))]
    for trip in tqdm(trips, unit="picture"):
        path = shipped_path(trip)
        path.parent.mkdir(exist_ok=True)
        write(compute(trip), path)


def compute(trip: "RoundTrip") -> "Outcomes":
    """Compute the outcomes of a round trip at all levels."""
    from dataclasses import replace

    from diffdemo import lab
    from diffdemo.experiments.round_trip import outcomes
    from diffdemo.models import load_model

    model = load_model(trip.model, "cpu")
    levels = outcomes.levels(model.schedule.T)
    return outcomes.join(lab.run(replace(trip, n=n), model) for n in levels)
