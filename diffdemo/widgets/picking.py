"""Pick a picture: an example, one at random, an upload, a drawing; each gives a portrait."""

import random

import gradio as gr
from PIL import Image

from diffdemo.errors import ExperimentError
from diffdemo.lab.fields import MAX_DIGIT, by_hash
from diffdemo.lab.prepare import original_picture, picture_text
from diffdemo.models import Model
from diffdemo.pictures import faces, images
from diffdemo.report.portraits import NO_PICTURE, Portrait, missing_portrait, portrait
from diffdemo.widgets import pad
from diffdemo.widgets.available import Models
from diffdemo.widgets.events import sent

FIRST_RANDOM = 100  # face seeds below are examples
EXAMPLES = {
    "faces": tuple(f"face:{seed}" for seed in (17, 4, 12, 27, 33, 48, 52, 60)),
    "digits": tuple(f"digit:{index}" for index in (0, 3, 5, 1, 18, 4, 8, 61)),
}


def examples(model: Model) -> tuple[str, ...]:
    """Return the pictures to start from, as an experiment names them."""
    return EXAMPLES[model.line_up or "faces"]


def example_portraits(model: Model) -> list[Portrait]:
    """Return the portraits of the examples."""
    return [portrait_of(model, picture) for picture in examples(model)]


def portrait_of(model: Model, picture: str, given: Image.Image | None = None) -> Portrait:
    """Return the portrait of a picture that an experiment names.

    Args:
        model: the model that is shown.
        picture: as an experiment names it.
        given: the picture itself, where it is named by its hash only.

    Raises:
        DiffdemoError: there is no such picture.
    """
    original = original_picture(picture, model, given)
    return portrait(picture, model.fit_pixels(original))


def linked_portrait(model: Model, picture: str) -> Portrait:
    """Return the portrait of a picture in a link, which may hold none, or only its hash."""
    if not picture:
        return NO_PICTURE
    return missing_portrait(picture) if by_hash(picture) else portrait_of(model, picture)


def pick_random(models: Models, name: object) -> Portrait:
    """Pick a picture outside the examples that was never trained on."""
    model = models[name]
    if model.line_up == "digits":
        return portrait_of(model, f"digit:{random.randrange(MAX_DIGIT + 1)}")
    seed = random.randrange(FIRST_RANDOM, faces.TRAINING_SEED)
    return portrait_of(model, f"face:{seed}")


def pick_example(models: Models, name: object, event: gr.EventData) -> Portrait:
    """Pick the example that was pressed.

    Raises:
        ExperimentError: the browser named an example that does not exist.
    """
    model = models[name]
    index = sent(event, "index")
    if type(index) is not int or not 0 <= index < len(examples(model)):
        raise ExperimentError("There is no such example.")
    return portrait_of(model, examples(model)[index])


def pick_upload(models: Models, name: object, upload: Image.Image) -> Portrait:
    """Pick a visitor's picture, cropped and resized to the model's.

    Raises:
        DiffdemoError: the picture cannot be used.
    """
    model = models[name]
    return portrait_of(model, picture_text(model, upload), upload)


def pick_drawing(models: Models, name: object, event: gr.EventData) -> Portrait:
    """Pick what was drawn on the pad.

    Raises:
        DiffdemoError: the browser sent something else than a drawing.
    """
    model = models[name]
    drawing = images.to_pictures(pad.read_drawing(model, sent(event, "value")))[0]
    return portrait_of(model, picture_text(model, drawing), drawing)
