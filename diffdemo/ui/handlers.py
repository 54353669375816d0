"""What the rail's widgets do: plain functions of the models at hand and the widgets' raw values."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from PIL import Image

from diffdemo import faces, images, lab
from diffdemo.errors import ExperimentError, ModelError
from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, Experiment, RoundTrip
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
PER_LEVEL = replace(COUNT, label="Seeds per level or code", help="a whole number from 1 to 16", default=4, maximum=16)

AT = ("all noise, n = T", "the dial's n")


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


@dataclass(frozen=True)
class Settings:
    """What the rail says: the model, the picture as an experiment names it, the dial, the seeds and the sampler; the experiment checks the rest."""

    model: Model
    picture: Any
    n: Any
    first: int
    count: int
    steps: Any
    eta: Any
    solver: Any
    spacing: Any
    start: Any
    per_level: Any

    def seeds(self, count: int) -> tuple[int, ...]:
        """So many seeds, from the first one on."""
        return tuple(range(self.first, self.first + count))


RAIL = 11  # raw values that come from the rail; a tab's own follow


def settings(models: Models, values: tuple) -> Settings:
    """The rail's raw values, RAIL of them.

    Raises:
        DiffdemoError: the model or a seed is impossible.
    """
    name, portrait, n, first, count, *rest = values
    return Settings(models[name], named(portrait), n, FIRST.accept(first), COUNT.accept(count), *rest)


def named(portrait: Any) -> Any:
    """The picture of a portrait, as an experiment names it."""
    return portrait.get("picture") if isinstance(portrait, dict) else portrait


def experiment(kind: type[Experiment], models: Models, values: tuple) -> Experiment:
    """The experiment of a tab that raw values describe: RAIL of the rail, in the order of Settings, then the tab's own.

    Raises:
        DiffdemoError: a value is impossible.
    """
    return _ASK[kind](settings(models, values[:RAIL]), *values[RAIL:])


def _round_trip(s: Settings, *_: Any) -> RoundTrip:
    return RoundTrip(s.model.name, s.picture, s.n, s.seeds(s.count), s.steps, s.eta, s.solver, s.spacing, s.start)


def _curve(s: Settings, *_: Any) -> Curve:
    seeds = s.seeds(PER_LEVEL.accept(s.per_level))
    return Curve(s.model.name, s.picture, levels(s.model), seeds, s.steps, s.eta, s.solver, s.spacing)


def _embedding(s: Settings, at: Any, steps: Any, warm: Any, second: Any) -> Embedding:
    if at not in AT:
        raise ExperimentError(f"The codes are those at one of: {', '.join(AT)}.")
    n, seeds = s.model.schedule.T if at == AT[0] else s.n, s.seeds(PER_LEVEL.accept(s.per_level))
    return Embedding(s.model.name, s.picture, n, seeds, steps, warm=warm, other=named(second))


def _collision(s: Settings, second: Any, steps: Any) -> Collision:
    return Collision(s.model.name, s.picture, named(second), s.n, s.first, steps)


def _belief(s: Settings, collected: Any, *_: Any) -> Belief:
    return Belief(s.model.name, s.picture, s.n, s.first, collected_names(collected))


def _branch(s: Settings, points: Any, futures: Any, steps: Any, jump: Any) -> Branch:
    return Branch(s.model.name, s.picture, s.first, points, futures, steps, jump)


_ASK: dict[type[Experiment], Callable[..., Experiment]] = {
    RoundTrip: _round_trip, Curve: _curve, Embedding: _embedding, Collision: _collision, Belief: _belief, Branch: _branch,
}  # fmt: skip


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
    return views.portrait(picture, model.pixels(lab.picture(picture, model)))


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
    model = models[name]
    return views.portrait(lab.picture_text(model, upload), images.from_uint8(model.fit(upload)))


def choose_drawing(models: Models, name: Any, event: gr.EventData) -> dict[str, str]:
    """The portrait of what was drawn on the pad.

    Raises:
        DiffdemoError: the browser sent something else than a drawing.
    """
    model = models[name]
    x0 = pad.read_drawing(model, getattr(event, "value", None))
    return views.portrait(lab.picture_text(model, images.to_pictures(x0)[0]), x0)


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
