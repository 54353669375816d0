"""What the rail's widgets do: plain functions of the models at hand and the widgets' raw values."""

import random
from dataclasses import replace
from typing import Any

import gradio as gr
from PIL import Image

from diffdemo import faces, lab
from diffdemo.errors import ExperimentError, ModelError
from diffdemo.experiment import Belief, Curve, Experiment, RoundTrip
from diffdemo.fields import FIELDS, MAX_SEEDS
from diffdemo.models import Model
from diffdemo.terms import DIGITS, SEED_END
from diffdemo.ui import pad, views

EXAMPLES = {
    "faces": tuple(f"face:{seed}" for seed in (17, 4, 12, 27, 33, 48, 52, 60)),
    "digits": tuple(f"digit:{index}" for index in (0, 3, 5, 1, 18, 4, 8, 61)),
}

FIRST = replace(FIELDS["seed"], label="First seed", help=f"a whole number from 0 to {SEED_END - 1}")
COUNT = replace(FIELDS["n"], label="How many seeds", help=f"a whole number from 1 to {MAX_SEEDS}", default=16, minimum=1, maximum=MAX_SEEDS)
PER_LEVEL = replace(COUNT, label="Seeds per level, for the curves", help="a whole number from 1 to 16", default=4, maximum=16)


class Models:
    """The models that the page can switch between; the first one is shown when it opens."""

    def __init__(self, *models: Model):
        self.by_name = {model.name: model for model in models}
        self.first = models[0]

    def __getitem__(self, name: Any) -> Model:
        """The model of that name.

        Raises:
            ModelError: the browser named one that is not there.
        """
        if not isinstance(name, str) or name not in self.by_name:
            raise ModelError(f"There is no such model here; there is {', '.join(self.by_name)}.")
        return self.by_name[name]


def examples(model: Model) -> tuple[str, ...]:
    """The pictures to start from, as an experiment names them."""
    return EXAMPLES[model.line_up or "faces"]


def experiment(kind: type[Experiment], models: Models, values: tuple) -> Experiment:
    """The experiment of a tab that the rail's raw values describe.

    Args:
        kind: which experiment.
        models: those at hand.
        values: model, portrait, n, first seed, how many seeds, steps, eta, solver, spacing, start, seeds per level, and the
            portraits of the visitor's own line-up.

    Raises:
        DiffdemoError: a value is impossible.
    """
    name, portrait, n, first, count, steps, eta, solver, spacing, start, per_level, collected = values
    picture = portrait.get("picture") if isinstance(portrait, dict) else portrait
    first, count, name = FIRST.accept(first), COUNT.accept(count), models[name].name
    if kind is Belief:
        return Belief(name, picture, n, first, collected_names(collected))
    if kind is Curve:
        seeds = tuple(range(first, first + PER_LEVEL.accept(per_level)))
        return Curve(name, picture, seeds=seeds, levels=levels(models[name]), steps=steps, eta=eta, solver=solver, spacing=spacing)
    return RoundTrip(name, picture, n, tuple(range(first, first + count)), steps, eta, solver, spacing, start)


def collected_names(collected: Any) -> str:
    """The visitor's own line-up as an experiment writes it, from the portraits on the page; nothing for the model's own.

    Raises:
        ExperimentError: the browser sent something else than pictures, or too many.
    """
    if not isinstance(collected, list | None):
        raise ExperimentError("The line-up on the page is damaged; please load the page again.")
    names = [portrait.get("picture") if isinstance(portrait, dict) else None for portrait in collected or []]
    return FIELDS["line_up"].accept(",".join(str(name) for name in names))


def collect(collected: Any, portrait: Any) -> list[dict[str, str]]:
    """The visitor's line-up with the picture of the rail added, once.

    Raises:
        ExperimentError: there are as many as an experiment takes, or the picture is too large to be named in one.
    """
    together = [*(collected or []), portrait]
    names = collected_names(together).split(",")
    return [portrait for place, portrait in enumerate(together) if names[place] not in names[:place]]


def levels(model: Model, count: int = 21) -> tuple[int, ...]:
    """Evenly spaced levels from 0 to T."""
    T = model.schedule.T
    return tuple(sorted({round(k * T / (count - 1)) for k in range(count)}))


def choose(model: Model, picture: str) -> dict[str, str]:
    """The portrait of a picture that an experiment names."""
    return views.portrait(picture, lab.picture(picture, model))


def strip(model: Model) -> list[dict[str, str]]:
    """The portraits of the examples."""
    return [choose(model, picture) for picture in examples(model)]


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
    model, index = models[name], getattr(event, "index", None)
    if type(index) is not int or not 0 <= index < len(examples(model)):
        raise ExperimentError("There is no such example.")
    return choose(model, examples(model)[index])


def choose_upload(models: Models, name: Any, upload: Image.Image | None) -> Any:
    """The portrait of a visitor's picture, cropped and resized to the model's.

    Raises:
        DiffdemoError: the picture cannot be used.
    """
    if upload is None:
        return gr.skip()
    x0 = models[name].encode(upload)
    return views.portrait(lab.picture_text(x0), x0)


def choose_drawing(models: Models, name: Any, event: gr.EventData) -> dict[str, str]:
    """The portrait of what was drawn on the pad.

    Raises:
        DiffdemoError: the browser sent something else than a drawing.
    """
    x0 = pad.read_drawing(models[name], getattr(event, "value", None))
    return views.portrait(lab.picture_text(x0), x0)


def choose_landmark(event: gr.EventData) -> int:
    """The n that was pressed, of a landmark or in a chart.

    Raises:
        ExperimentError: the browser sent something else.
    """
    return FIELDS["n"].accept(getattr(event, "index", None))


def switch_model(models: Models, name: Any, n: Any) -> tuple:
    """What changes with the model: portrait, examples, pad, dial, read-outs and what the button for another picture is called."""
    model = models[name]
    T = model.schedule.T
    n = min(FIELDS["n"].accept(n), T)
    first = choose(model, examples(model)[0])
    return first, strip(model), pad.pad_value(model), gr.update(maximum=T, value=n), views.readouts(model, n), another(model)


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


def throw_dice() -> int:
    """A first seed at random."""
    return random.randrange(10_000)
