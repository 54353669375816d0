"""A whole training run: begin or resume, save the state every few minutes, write the result."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from diffdemo.errors import DiffdemoError
from diffdemo.training import checkpoints, models, readers
from diffdemo.training.loop import Report, Trainer
from diffdemo.training.recipe import Options, Recipe

SAVE_SECONDS = 120  # wall time between two checkpoints
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (models.FACES, models.DIGITS, readers.FACES, readers.DIGITS)
}


def find(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        DiffdemoError: there is none.
    """
    if name not in RECIPES:
        raise DiffdemoError(
            f"There is no recipe {name!r}: the ones there are {', '.join(RECIPES)}."
        )
    return RECIPES[name]


def train(
    recipe: Recipe, minutes: float, out: Path, state: Path, options: Options
) -> Iterator[Report]:
    """Train a network, resuming from `state` if it is there; yield a report after every step.

    Args:
        recipe: what to train, and how.
        minutes: computing time in all, resumed parts included.
        out: where the averaged weights go at the end: a folder for a model, a file for a reader.
        state: file of what is needed to go on; a log of the loss is beside it (.jsonl).
        options: seed, data, start, dtype and device.

    Raises:
        DiffdemoError: the time is not positive, the data set is missing, there is no such device,
            or `out`, `options.start` or `state` do not fit.
    """
    if not minutes > 0:
        raise DiffdemoError(f"The training time is a number of minutes above 0, not {minutes:g}.")
    recipe.check(out)
    trainer = Trainer(recipe, minutes * 60, options)
    if state.exists():
        trainer.restore(checkpoints.read(state, trainer.origin(), trainer.device))
    return _run(trainer, out, state)


def _run(trainer: Trainer, out: Path, state: Path) -> Iterator[Report]:
    state.parent.mkdir(parents=True, exist_ok=True)
    first = trainer.accelerator.is_main_process
    saved = time.monotonic()
    for report in trainer.run():
        due = time.monotonic() - saved > SAVE_SECONDS or report.share >= 1
        if first and due:
            checkpoints.write(trainer.state(), state)
            _log(report, state.with_suffix(".jsonl"))
            saved = time.monotonic()
        yield report
    if first:
        trainer.save(out)
    trainer.accelerator.end_training()


def _log(report: Report, path: Path) -> None:
    with path.open("a") as log:
        log.write(json.dumps(asdict(report)) + "\n")
