"""The page's controls, shared by all tabs: the picture, the dial, and the settings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from diffdemo.experiments.round_trip import START, RoundTrip
from diffdemo.lab import fields
from diffdemo.models import Model
from diffdemo.page import dialling
from diffdemo.report.portraits import Portrait
from diffdemo.widgets import pad, picking
from diffdemo.widgets.available import Models
from diffdemo.widgets.components import RawNumber, RawRadio, UploadBox, choice, html, line, slider
from diffdemo.widgets.controls import BEST, COUNT, FIRST, PER_LEVEL, SAMPLER, TRIES
from diffdemo.widgets.events import AT_ONCE, Events, Options, safely, typed
from diffdemo.widgets.tab import Updates, shown

MAX_STEPS = 200
EXAMPLES = '<div class="examples" role="group" aria-label="Example pictures"></div>'
PICKER = '<div class="picker-head"><h2>Choose a picture</h2></div>'
READOUTS = '<dl class="rows"></dl>'
# The read-outs of the dial, which the browser fills in: what each means.
MEANINGS = (
    ("strength", "Strength, n / T", "the same dial as in img2img"),
    ("alpha_bar", "Signal kept, alpha_bar", "share of the variance that is still the picture's"),
    ("snr", "Signal to noise, SNR", "alpha_bar / (1 - alpha_bar)"),
    ("amplitude", "Picture left in x_n", "its amplitude, the square root of alpha_bar"),
)
# Name in Settings → where its control is on the page, as a selector.
PLACES = {
    "n": "#dial .level, #dial .for-level, #readouts",
    "first": "#seeds",
    "count": "#count",
    "per_level": "#per-level",
    **{name: f"#{name}" for name in (*SAMPLER, "start", "listed")},
}
# Boxes that hold only controls for some settings.
BOXES = {"#settings, #console": tuple(PLACES)}
STAGE = "#dial .for-stage"  # what only the first tab uses


class Controls:
    """The controls that describe an experiment, beside those of its own tab.

    Args:
        models: those the page can switch between.

    Attributes:
        settings: the controls that describe an experiment, by name in `controls.Settings`.
    """

    def __init__(self, models: Models):
        self.models = models
        self.settings: Options = {}

    def picture(self, trip: RoundTrip) -> None:
        """Build the portrait that stands above all tabs but the first."""
        start = picking.portrait_of(self.models.first, trip.picture)
        markup = '<div class="portrait"></div>'
        self.portrait = html("portrait", markup, "portrait", start)
        self.settings["picture"] = self.portrait

    def picker(self) -> None:
        """Build the place where a picture is chosen; static/picker-head.js opens and closes it."""
        model = self.models.first
        html("picker-head", PICKER, "picker", {})
        with gr.Group(visible=model.kind == "text") as self.conditioning:
            hint = "what the picture shows, in words"
            prompt = line(fields.PROMPT, placeholder=hint, elem_id="prompt")
            guidance = slider(fields.GUIDANCE, step=0.5, elem_id="guidance")
        self.examples = html("examples", EXAMPLES, "examples", picking.example_portraits(model))
        self.another = gr.Button(another(model), size="sm", elem_id="another")
        self.upload = UploadBox(
            label="A file, or paste from the clipboard",
            sources=["upload", "clipboard"],
            type="pil",
            image_mode=None,
            format="png",
            height=140,
            buttons=[],
            elem_id="upload",
        )
        drawable = pad.fits(model)
        options: Options = {"open": False, "elem_id": "draw", "visible": drawable}
        with gr.Accordion("Draw on the picture", **options) as self.draw:
            self.pad = pad.pad(pad.pad_value(model))
        self.settings |= {"prompt": prompt, "guidance": guidance}

    def console(self, trip: RoundTrip) -> None:
        """Build the dial, and the buttons that its own Run and Stop press."""
        self.n = dialling.dial(self.models.first, trip.n)
        with gr.Row(elem_id="runs"):
            self.run = gr.Button("Run", elem_id="run", min_width=80)
            self.stop = gr.Button("Stop", elem_id="stop", min_width=80)
        self.settings["n"] = self.n

    def drawer(self, trip: RoundTrip) -> None:
        """Build the settings: model, seeds, sampler, and what n means."""
        with gr.Accordion("Settings", open=False, elem_id="settings"):
            with gr.Row(elem_classes="own"):
                self.switch = RawRadio(
                    label="Model",
                    choices=self.models.names,
                    value=self.models.first.name,
                    elem_id="model",
                    min_width=160,
                )
                self._seeds(trip)
            with gr.Row(elem_classes="own"):
                self._sampler(trip)
            rows = [{"name": name, "term": term, "help": text} for name, term, text in MEANINGS]
            html("readouts", READOUTS, "readouts", rows, elem_id="readouts")
        self.settings["model"] = self.switch

    def _seeds(self, trip: RoundTrip) -> None:
        with gr.Row(elem_id="seeds"):
            self.first = RawNumber(
                label=FIRST.label,
                value=trip.seeds[0],
                precision=0,
                minimum=0,
                elem_id="first",
                min_width=90,
            )
            self.dice = gr.Button("New noise", size="sm", elem_id="dice", min_width=100, scale=0)
        count = slider(COUNT, value=len(trip.seeds), elem_id="count")
        per_level = slider(PER_LEVEL, label="Tries per level", elem_id="per-level")
        label = "Exactly these seeds"
        listed = line(fields.SEEDS, label=label, placeholder="as 0-15 or 0,3,7", elem_id="listed")
        self.settings |= {"first": self.first, "count": count}
        self.settings |= {"per_level": per_level, "listed": listed}

    def _sampler(self, trip: RoundTrip) -> None:
        steps: Options = {"maximum": MAX_STEPS, "value": trip.steps, "label": "Denoising steps"}
        self.settings |= {
            "steps": slider(fields.STEPS, elem_id="steps", **steps),
            "eta": slider(fields.ETA, step=0.05, value=trip.eta, elem_id="eta"),
            "solver": choice(fields.SOLVER, value=trip.solver, elem_id="solver"),
            "spacing": choice(fields.SPACING, value=trip.spacing, elem_id="spacing"),
            "start": choice(START, elem_id="start"),
        }

    @property
    def by_model(self) -> list[Any]:
        """The controls that change with the model, beside the portrait."""
        return list(self.updates(self.models.first, 0))

    def updates(self, model: Model, n: int) -> Updates:
        """Return what the controls show for a model, with the dial at n."""
        return {
            self.examples: picking.example_portraits(model),
            self.pad: pad.pad_value(model),
            self.n: dialling.dial_value(model, n),
            self.another: another(model),
            self.conditioning: gr.update(visible=model.kind == "text"),
            self.draw: gr.update(visible=pad.fits(model)),
        }

    def restore(self, e: Any, values: dict[str, Any], model: Model, picture: Portrait) -> Updates:
        """Return what the controls show for an experiment, of those that it determines.

        Args:
            e: the experiment.
            values: the page's part of `controls.ControlValues`.
            model: the one it names.
            picture: the portrait of its picture.
        """
        values = {**values, "prompt": e.prompt, "guidance": e.guidance}
        n = min(values.pop("n", fields.N.default), model.schedule.T)
        own = {
            self.settings[name]: shown(self.settings[name], value, model)
            for name, value in values.items()
        }
        switch = gr.update(choices=self.models.names, value=e.model)
        return {self.switch: switch, self.portrait: picture, **self.updates(model, n), **own}

    def wire(self, charts: list[gr.HTML]) -> Events:
        """Connect the controls' own events; returns those after which the open tab runs.

        Args:
            charts: components whose `select` names an n.
        """
        chosen_n = safely(dialling.chosen_n)
        marks = [chart.select(chosen_n, self.n, self.n, **AT_ONCE) for chart in charts]
        eta = self.settings["eta"]
        solver = self.settings["solver"]
        eta.change(None, [eta, solver], solver, js=dialling.SOLVER_FOR_ETA, **AT_ONCE)
        sources: list[tuple[Any, Any]] = [
            (self.examples.select, picking.pick_example),
            (self.another.click, picking.pick_random),
            (self.pad.select, picking.pick_drawing),
        ]
        picked = [
            listen(safely(pick, self.models), self.switch, self.portrait, **AT_ONCE)
            for listen, pick in sources
        ]
        seeds = [self.first, self.settings["listed"]]
        dice = self.dice.click(safely(dialling.throw_dice), None, seeds, **AT_ONCE)
        changed = [listen(lambda: None, None, None, **AT_ONCE) for listen in self._changes()]
        return [*marks, *picked, dice, *changed]

    def _changes(self) -> list[Any]:
        """Return the listeners of settings after which the open tab runs."""
        s = self.settings
        sliders = [s[name].release for name in ("count", "per_level", "steps", "eta", "guidance")]
        choices = [s[name].input for name in ("solver", "spacing", "start")]
        lines = [typed(s[name]) for name in ("first", "listed", "prompt")]
        return [*sliders, *choices, *lines]


def another(model: Model) -> str:
    """Return the label of the button for another picture."""
    return "Another random digit" if model.line_up == "digits" else "Another random face"


def only_used(used: Mapping[str, Sequence[str]], stage: str) -> str:
    """Write the style sheet that hides the controls which the open tab does not use.

    Args:
        used: id of a tab's place on the page → names in Settings.
        stage: id of the first tab's place.
    """
    rules = []
    for place, uses in used.items():
        hidden = [selector for name, selector in PLACES.items() if name not in uses]
        hidden += [box for box, names in BOXES.items() if not set(names) & set(uses)]
        if place != stage:
            hidden.append(STAGE)
        open_tab = f"body:has(#{place}-button[aria-selected=true])"
        rules.append(f"{open_tab} :is({', '.join(hidden)}) {{ display: none; }}\n")
    return "".join(rules)


def opening_trip(models: Models) -> RoundTrip:
    """Return what the page opens with: the first example and a quarter of all noise."""
    return example_trips(models.first)[0]


def example_trips(model: Model) -> list[RoundTrip]:
    """Return what the page runs for each example of a model, at a quarter of all noise."""
    n = fields.N.default * model.schedule.T // 1000
    trip = RoundTrip(model.name, n=n, seeds=TRIES, **BEST)
    return [replace(trip, picture=picture) for picture in picking.examples(model)]
