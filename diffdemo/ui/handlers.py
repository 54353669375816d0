"""What the rail's widgets do: plain functions of the models at hand and the widgets' raw values."""

import random
from typing import Any

import gradio as gr
from PIL import Image

from diffdemo import faces, images, lab
from diffdemo.errors import ExperimentError
from diffdemo.fields import FIELDS
from diffdemo.models import Model
from diffdemo.terms import DIGITS
from diffdemo.ui import pad, views
from diffdemo.ui.controls import collected_names, named
from diffdemo.ui.shelf import Models
from diffdemo.ui.widgets import sent

EXAMPLES = {
    "faces": tuple(f"face:{seed}" for seed in (17, 4, 12, 27, 33, 48, 52, 60)),
    "digits": tuple(f"digit:{index}" for index in (0, 3, 5, 1, 18, 4, 8, 61)),
}


def examples(model: Model) -> tuple[str, ...]:
    """The pictures to start from, as an experiment names them."""
    return EXAMPLES[model.line_up or "faces"]


def collect(collected: Any, portrait: Any) -> list[dict[str, str]]:
    """The visitor's line-up with the picture of the rail added, once.

    Raises:
        ExperimentError: there are as many as an experiment takes, or the picture is too large to be named in one.
    """
    collected_names(collected)  # whatever the browser sent
    together = [*(collected or []), portrait]
    names = collected_names(together).split(",")
    return [portrait for place, portrait in enumerate(together) if names[place] not in names[:place]]


def choose(model: Model, picture: str, given: Image.Image | None = None) -> dict[str, str]:
    """The portrait of a picture that an experiment names, `given` where it is by its hash only.

    Raises:
        DiffdemoError: there is no such picture.
    """
    return views.portrait(picture, model.fit(lab.original(picture, model, given))[0])


def strip(model: Model) -> list[dict[str, str]]:
    """The portraits of the examples."""
    return [choose(model, picture) for picture in examples(model)]


def second(model: Model) -> dict[str, str]:
    """The portrait of the second picture to start with: the second example."""
    return choose(model, examples(model)[1])


def take(portrait: Any) -> Any:
    """The portrait of the rail, as the second picture.

    Raises:
        ExperimentError: it is too large to be named in a link.
    """
    FIELDS["other"].accept(named(portrait))
    return portrait


def choose_random(models: Models, name: Any) -> dict[str, str]:
    """The portrait of a picture outside the examples, never trained on."""
    model = models[name]
    picture = f"digit:{random.randrange(DIGITS)}" if model.line_up == "digits" else f"face:{random.randrange(100, faces.TRAINING_SEED)}"
    return choose(model, picture)


def choose_example(models: Models, name: Any, event: gr.EventData) -> dict[str, str]:
    """The portrait of the example that was pressed.

    Raises:
        ExperimentError: the browser named an example that is not there.
    """
    model, index = models[name], sent(event, "index")
    if type(index) is not int or not 0 <= index < len(examples(model)):
        raise ExperimentError("There is no such example.")
    return choose(model, examples(model)[index])


def choose_upload(models: Models, name: Any, upload: Image.Image) -> dict[str, str]:
    """The portrait of a visitor's picture, cropped and resized to the model's.

    Raises:
        DiffdemoError: the picture cannot be used.
    """
    model = models[name]
    return choose(model, lab.picture_text(model, upload), upload)


def choose_drawing(models: Models, name: Any, event: gr.EventData) -> dict[str, str]:
    """The portrait of what was drawn on the pad.

    Raises:
        DiffdemoError: the browser sent something else than a drawing.
    """
    model = models[name]
    drawing = images.to_pictures(pad.read_drawing(model, sent(event, "value")))[0]
    return choose(model, lab.picture_text(model, drawing), drawing)


def choose_landmark(event: gr.EventData) -> int:
    """The n that was pressed, of a landmark or in a chart.

    Raises:
        ExperimentError: the browser sent something else.
    """
    return FIELDS["n"].accept(sent(event, "index"))


def suit(model: Model, n: int) -> list[Any]:
    """What the widgets of the rail show that change with the model, in the order of `Rail.suited`."""
    T = model.schedule.T
    dial, told, draw = gr.update(maximum=T, value=n), gr.update(visible=model.kind == "text"), gr.update(visible=pad.suits(model))
    return [strip(model), pad.pad_value(model), dial, views.readouts(model, n), another(model), told, draw]


def another(model: Model) -> str:
    """What the button for another picture says."""
    return "Another random digit" if model.line_up == "digits" else "Another random face"


def read_dial(models: Models, name: Any, n: Any) -> dict[str, Any]:
    """The read-outs of the dial.

    Raises:
        ExperimentError: n is out of bounds.
    """
    model = models[name]
    return views.readouts(model, int(model.schedule.levels(FIELDS["n"].accept(n), 1)))


def throw_dice() -> tuple[int, str]:
    """A first seed at random, and no listed ones."""
    return random.randrange(10_000), ""
