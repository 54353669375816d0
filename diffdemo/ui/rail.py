"""The rail at the left: the picture, the dial, the seeds and the settings that serve all tabs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import gradio as gr

from diffdemo.experiment import RoundTrip
from diffdemo.fields import FIELDS
from diffdemo.models import Model
from diffdemo.ui import controls, handlers, links, pad, views
from diffdemo.ui.controls import Settings
from diffdemo.ui.shelf import Models
from diffdemo.ui.widgets import QUIET, RawNumber, Upload, choice, html, line, slider, told

CLAMP = "(name, n) => [name, Number.isFinite(n) ? Math.min(1000, Math.max(0, Math.round(n))) : 0]"
FRESH = "(eta, solver) => eta > 0 ? 'ddim' : solver"  # the one solver that draws fresh noise
MAX_STEPS = 200
ADVANCED = (*controls.SAMPLER, "start", "listed")
PLACES = {  # name in Settings → where it is on the page, as a selector
    "n": "#rail > :has(#dial), #readouts", "first": "#rail > :has(#first)", "count": "#count", "per_level": "#per-level",
    **{name: f"#{name}" for name in ADVANCED},
}  # fmt: skip
BOXES = {"#advanced": ADVANCED, "#rail > :has(#count)": ("count", "per_level"), "#runs": tuple(PLACES)}  # what stands there for some of them


class Rail:
    """The widgets of the rail.

    Args:
        models: those the page can switch between.
        switch: the widget that names the model.
    """

    def __init__(self, models: Models, switch: gr.Radio):
        self.models, self.switch = models, switch

    def layout(self, trip: RoundTrip) -> None:
        """Build the widgets; they start with what an experiment says."""
        model = self.models.first
        self.portrait = html("portrait", '<div class="portrait"></div>', "rail", handlers.choose(model, trip.picture))
        markup = '<div class="examples" role="group" aria-label="Example pictures"></div>'
        with gr.Group(visible=model.kind == "text") as self.told:
            self.prompt = line("prompt", placeholder="what the picture shows, in words", elem_id="prompt")
            self.guidance = slider("guidance", step=0.5, elem_id="guidance")
        self.examples = html("examples", markup, "rail", handlers.strip(model))
        self.another = gr.Button(handlers.another(model), size="sm", elem_id="another")
        self._own_picture()
        self.n = slider("n", value=trip.n, maximum=model.schedule.T, elem_id="dial")
        template = '<div class="marks"></div><dl class="rows"></dl>'
        self.readouts = html("readouts", template, "rail", views.readouts(model, trip.n))
        with gr.Row(elem_id="runs"):
            self.run = gr.Button("Run", variant="primary", elem_id="run", min_width=80)
            self.stop = gr.Button("Stop", variant="stop", elem_id="stop", min_width=80)
        with gr.Row():
            self.first = RawNumber(label=controls.FIRST.label, value=trip.seeds[0], precision=0, minimum=0, elem_id="first", min_width=90)
            self.dice = gr.Button("Dice", size="sm", elem_id="dice", min_width=60, scale=0)
        self.count = slider("seeds", label=controls.COUNT.label, value=len(trip.seeds), elem_id="count")
        some = controls.PER_LEVEL
        self.per_level = slider("seeds", label=some.label, value=some.default, maximum=some.maximum, elem_id="per-level")
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            self.steps = slider("steps", maximum=MAX_STEPS, value=trip.steps, elem_id="steps")
            self.eta = slider("eta", step=0.05, value=trip.eta, elem_id="eta")
            self.solver = choice("solver", value=trip.solver, elem_id="solver")
            self.spacing = choice("spacing", value=trip.spacing, elem_id="spacing")
            self.start = choice("start", elem_id="start")
            self.listed = line("seeds", label="These seeds instead", placeholder="as 0-15 or 0,3,7", elem_id="listed")

    def _own_picture(self) -> None:
        with gr.Accordion("Your own picture", open=False):
            self.upload = Upload(
                label="A file, or paste from the clipboard", sources=["upload", "clipboard"], type="pil", image_mode=None,
                format="png", height=140, buttons=[], elem_id="upload",
            )  # fmt: skip
        with gr.Accordion("Draw one", open=False, elem_id="draw", visible=pad.suits(self.models.first)) as self.draw:
            self.pad = pad.pad(pad.pad_value(self.models.first))

    @property
    def suited(self) -> list[Any]:
        """The widgets that change with the model, beside the portrait."""
        return [self.examples, self.pad, self.n, self.readouts, self.another, self.told, self.draw]

    @property
    def by_name(self) -> dict[str, Any]:
        """The widgets by the name of what they say in `controls.Settings`."""
        return dict(zip((item.name for item in fields(Settings)), self.inputs, strict=True))

    @property
    def inputs(self) -> list[Any]:
        """The widgets that describe an experiment, in the order of `controls.Settings`."""
        settings = [self.steps, self.eta, self.solver, self.spacing, self.start, self.per_level, self.listed, self.prompt, self.guidance]
        return [self.switch, self.portrait, self.n, self.first, self.count, *settings]

    def suit(self, model: Model, n: int) -> dict[Any, Any]:
        """Widget → what it shows for a model, at a dial of n."""
        return dict(zip(self.suited, handlers.suit(model, n), strict=True))

    def restore(self, e: Any, stand: dict[str, Any], model: Model, picture: dict[str, str]) -> dict[Any, Any]:
        """Widget → what it shows for an experiment, of those that it determines.

        Args:
            e: the experiment.
            stand: the rail's part of `controls.Stand`.
            model: the one it names.
            picture: the portrait of its picture.
        """
        n = min(stand.get("n", FIELDS["n"].default), model.schedule.T)
        own = {self.by_name[name]: links.control(self.by_name[name], value, model) for name, value in stand.items() if name != "n"}
        switch = gr.update(choices=self.models.names, value=e.model)
        return {self.switch: switch, self.portrait: picture, **self.suit(model, n), **own}

    def wire(self, charts: list[Any]) -> list[Any]:
        """Connect the rail's own events; returns those after which the open tab is to be run.

        Args:
            charts: components whose `select` names an n.
        """
        models = self.models
        reading = {"fn": told(handlers.read_dial, models), "inputs": [self.switch, self.n], "outputs": self.readouts, "queue": False, **QUIET}
        gr.on([self.n.release, self.n.input], **reading, js=CLAMP, trigger_mode="always_last")
        for chart in charts:
            chart.select(told(handlers.choose_landmark), None, self.n, queue=False, **QUIET).success(**reading)
        landmark = self.readouts.select(told(handlers.choose_landmark), None, self.n, queue=False, **QUIET).success(**reading)
        self.eta.change(None, [self.eta, self.solver], self.solver, js=FRESH, queue=False, **QUIET)
        named = [self.switch]
        sources: list[tuple[Callable[..., Any], Callable[..., Any], list[gr.Radio]]] = [
            (self.examples.select, handlers.choose_example, named), (self.another.click, handlers.choose_random, named),
            (self.pad.select, handlers.choose_drawing, named),
        ]  # fmt: skip
        chosen = [event(told(choose, models), inputs, self.portrait, queue=False, **QUIET) for event, choose, inputs in sources]
        dice = self.dice.click(told(handlers.throw_dice), None, [self.first, self.listed], queue=False, **QUIET)
        return [landmark, *chosen, dice]


def only_used(used: Mapping[str, Sequence[str]]) -> str:
    """The style sheet that shows of the rail what the open tab uses.

    Args:
        used: the id of a tab's place on the page → names in Settings.
    """
    rules = []
    for tab, uses in used.items():
        unused = [place for setting, place in PLACES.items() if setting not in uses]
        empty = [box for box, settings in BOXES.items() if not set(settings) & set(uses)]
        rules.append(f"#page:has(#{tab}-button[aria-selected=true]) :is({', '.join(unused + empty)}) {{ display: none; }}\n")
    return "".join(rules)


def default_trip(models: Models) -> RoundTrip:
    """What the page opens with: the first example, a quarter of all noise, the page's own sampler."""
    model = models.first
    return RoundTrip(model.name, handlers.examples(model)[0], FIELDS["n"].default * model.schedule.T // 1000, **controls.BEST)
