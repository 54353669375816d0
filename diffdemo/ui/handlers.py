"""The tab "There and back": its handlers, plain functions of the model and the widgets' raw values."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
from PIL import Image

from diffdemo import faces, lab
from diffdemo.errors import ExperimentError
from diffdemo.experiment import FIELDS, MAX_N, MAX_SEEDS, RoundTrip
from diffdemo.lab import RoundTripResult
from diffdemo.models import Model
from diffdemo.terms import SEED_END
from diffdemo.ui import views

EXAMPLES = (17, 4, 12, 27, 33, 48, 52, 60)
UPDATES = 10  # pictures are sent at most this often while a run works

FIRST = replace(FIELDS["n"], label="First seed", help="a whole number from 0 to 2147483647", default=0, maximum=SEED_END - 1)
COUNT = replace(FIELDS["n"], label="How many seeds", help=f"a whole number from 1 to {MAX_SEEDS}", default=16, minimum=1, maximum=MAX_SEEDS)


def experiment(model: Model, portrait: Any, n: Any, first: Any, count: Any, *rest: Any) -> RoundTrip:
    """The experiment that the widgets' raw values describe; `rest` is steps, eta, solver, spacing and start.

    Raises:
        ExperimentError: a value is impossible.
    """
    picture = portrait.get("picture") if isinstance(portrait, dict) else portrait
    first, count = FIRST.accept(first), COUNT.accept(count)
    return RoundTrip(model.name, picture, n, tuple(range(first, first + count)), *rest)


def opening(model: Model) -> RoundTripResult:
    """The finished result the page opens with."""
    return lab.run(RoundTrip(model.name, n=FIELDS["n"].default * model.schedule.T // MAX_N), model)


def work(model: Model, *values: Any) -> Iterator[tuple[dict, Any]]:
    """Run what the widgets describe; yields (sentence, map) while the network works and last the finished ones.

    Raises:
        DiffdemoError: a value is impossible.
    """
    trip = experiment(model, *values)
    given = views.given_picture(values[0]) if trip.picture.startswith("sha256:") else None
    picture = views.portrait(trip.picture, lab.picture(trip.picture, model, given))
    noises: list[str] = []
    shown = 0
    for item in lab.stream(trip, model, given):
        if isinstance(item, RoundTripResult):
            yield finished(item, picture)
        elif not noises or (item.done - shown) * UPDATES >= item.total:
            noises, shown = noises or views.uris(item.x_n), item.done
            yield views.running(item, trip), views.partial_map(item, trip, noises, picture)
        else:  # a yield after every network call: Stop takes effect at a yield
            yield views.running(item, trip), gr.skip()


def finished(result: RoundTripResult, picture: dict[str, str]) -> tuple[dict, dict]:
    """The sentence and the map of a finished run."""
    return {"text": views.sentence(result), "note": views.note(result)}, views.full_map(result, picture)


def stopped(value: Any) -> dict[str, str]:
    """The sentence after Stop, from the one that was on the page."""
    done, total = (value.get("done"), value.get("total")) if isinstance(value, dict) else (None, None)
    if type(done) is not int or type(total) is not int:
        return {"text": "Nothing was running.", "note": ""}
    return {"text": f"Stopped after step {done} of {total}. The lower tiles show the estimates so far.", "note": ""}


def choose_face(model: Model, seed: int) -> dict[str, str]:
    """The portrait of a face."""
    picture = f"face:{seed}"
    return views.portrait(picture, lab.picture(picture, model))


def random_face(model: Model) -> dict[str, str]:
    """The portrait of a face outside the examples, never trained on."""
    return choose_face(model, random.randrange(100, faces.TRAINING_SEED))


def choose_example(model: Model, event: gr.EventData) -> dict[str, str]:
    """The portrait of the example that was pressed.

    Raises:
        ExperimentError: the browser named an example that is not there.
    """
    index = getattr(event, "index", None)
    if type(index) is not int or not 0 <= index < len(EXAMPLES):
        raise ExperimentError("There is no such example.")
    return choose_face(model, EXAMPLES[index])


def choose_upload(model: Model, upload: Image.Image | None) -> Any:
    """The portrait of a visitor's picture, cropped and resized to the model's.

    Raises:
        DiffdemoError: the picture cannot be used.
    """
    if upload is None:
        return gr.skip()
    x0 = model.encode(upload)
    return views.portrait(lab.picture_text(x0), x0)


def choose_landmark(event: gr.EventData) -> int:
    """The n of the landmark that was pressed.

    Raises:
        ExperimentError: the browser sent something else.
    """
    return FIELDS["n"].accept(getattr(event, "index", None))


def read_dial(model: Model, n: Any) -> dict[str, Any]:
    """The read-outs of the dial.

    Raises:
        ExperimentError: n is out of bounds.
    """
    n = FIELDS["n"].accept(n)
    return views.readouts(model, int(model.schedule.levels(n, 1)))


def throw_dice() -> int:
    """A first seed at random."""
    return random.randrange(10_000)
