"""The rail at the left: the picture, the dial, the seeds and the settings that serve all tabs."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from diffdemo.experiments.round_trip import START, RoundTrip
from diffdemo.lab import fields
from diffdemo.models import Model
from diffdemo.page import dialling
from diffdemo.report.portraits import Portrait
from diffdemo.widgets import pad, picking, views
from diffdemo.widgets.available import Models
from diffdemo.widgets.components import RawNumber, UploadBox, choice, html, line, slider
from diffdemo.widgets.controls import BEST, COUNT, FIRST, PER_LEVEL, SAMPLER
from diffdemo.widgets.events import AT_ONCE, Events, Options, safely
from diffdemo.widgets.tab import Updates, shown

MAX_STEPS = 200
ADVANCED = (*SAMPLER, "start", "listed")
EXAMPLES = '<div class="examples" role="group" aria-label="Example pictures"></div>'
READOUTS = '<div class="marks"></div><dl class="rows"></dl>'
# Name in Settings → where its control is on the page, as a selector.
PLACES = {
    "n": "#rail > :has(#dial), #readouts",
    "first": "#rail > :has(#first)",
    "count": "#count",
    "per_level": "#per-level",
    **{name: f"#{name}" for name in ADVANCED},
}
# Boxes that hold only controls for some settings.
BOXES = {
    "#advanced": ADVANCED,
    "#rail > :has(#count)": ("count", "per_level"),
    "#runs": tuple(PLACES),
}


class Rail:
    """The controls of the rail.

    Args:
        models: those the page can switch between.
        switch: the control that names the model.

    Attributes:
        settings: the controls that describe an experiment, by name in `controls.Settings`.
    """

    def __init__(self, models: Models, switch: gr.Radio):
        self.models = models
        self.switch = switch
        self.settings: Options = {"model": switch}

    def layout(self, trip: RoundTrip) -> None:
        """Build the controls; they start with what an experiment says."""
        self._picture(trip)
        self._dial(trip)
        self._seeds(trip)
        self._advanced(trip)

    def _picture(self, trip: RoundTrip) -> None:
        model = self.models.first
        start = picking.portrait_of(model, trip.picture)
        self.portrait = html("portrait", '<div class="portrait"></div>', "rail", start)
        with gr.Group(visible=model.kind == "text") as self.conditioning:
            hint = "what the picture shows, in words"
            prompt = line(fields.PROMPT, placeholder=hint, elem_id="prompt")
            guidance = slider(fields.GUIDANCE, step=0.5, elem_id="guidance")
        self.examples = html("examples", EXAMPLES, "rail", picking.example_portraits(model))
        self.another = gr.Button(another(model), size="sm", elem_id="another")
        with gr.Accordion("Your own picture", open=False):
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
        with gr.Accordion("Draw one", open=False, elem_id="draw", visible=drawable) as self.draw:
            self.pad = pad.pad(pad.pad_value(model))
        self.settings |= {"picture": self.portrait, "prompt": prompt, "guidance": guidance}

    def _dial(self, trip: RoundTrip) -> None:
        model = self.models.first
        self.n = slider(fields.N, value=trip.n, maximum=model.schedule.T, elem_id="dial")
        self.readouts = html("readouts", READOUTS, "rail", views.readouts(model, trip.n))
        with gr.Row(elem_id="runs"):
            self.run = gr.Button("Run", variant="primary", elem_id="run", min_width=80)
            self.stop = gr.Button("Stop", variant="stop", elem_id="stop", min_width=80)
        self.settings["n"] = self.n

    def _seeds(self, trip: RoundTrip) -> None:
        with gr.Row():
            self.first = RawNumber(
                label=FIRST.label,
                value=trip.seeds[0],
                precision=0,
                minimum=0,
                elem_id="first",
                min_width=90,
            )
            self.dice = gr.Button("Dice", size="sm", elem_id="dice", min_width=60, scale=0)
        count = slider(COUNT, value=len(trip.seeds), elem_id="count")
        per_level = slider(PER_LEVEL, elem_id="per-level")
        self.settings |= {"first": self.first, "count": count, "per_level": per_level}

    def _advanced(self, trip: RoundTrip) -> None:
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            steps = {"maximum": MAX_STEPS, "value": trip.steps}
            hint = "as 0-15 or 0,3,7"
            label = "These seeds instead"
            self.settings |= {
                "steps": slider(fields.STEPS, elem_id="steps", **steps),
                "eta": slider(fields.ETA, step=0.05, value=trip.eta, elem_id="eta"),
                "solver": choice(fields.SOLVER, value=trip.solver, elem_id="solver"),
                "spacing": choice(fields.SPACING, value=trip.spacing, elem_id="spacing"),
                "start": choice(START, elem_id="start"),
                "listed": line(fields.SEEDS, label=label, placeholder=hint, elem_id="listed"),
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
            self.n: gr.update(maximum=model.schedule.T, value=n),
            self.readouts: views.readouts(model, n),
            self.another: another(model),
            self.conditioning: gr.update(visible=model.kind == "text"),
            self.draw: gr.update(visible=pad.fits(model)),
        }

    def restore(self, e: Any, values: dict[str, Any], model: Model, picture: Portrait) -> Updates:
        """Return what the controls show for an experiment, of those that it determines.

        Args:
            e: the experiment.
            values: the rail's part of `controls.ControlValues`.
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
        """Connect the rail's own events; returns those after which the open tab runs.

        Args:
            charts: components whose `select` names an n.
        """
        read_dial: Options = {
            "fn": safely(dialling.read_dial, self.models),
            "inputs": [self.switch, self.n],
            "outputs": self.readouts,
            **AT_ONCE,
        }
        moved = [self.n.release, self.n.input]
        gr.on(moved, **read_dial, js=dialling.CLAMP, trigger_mode="always_last")
        chosen_n = safely(dialling.chosen_n)
        marks = [
            chart.select(chosen_n, None, self.n, **AT_ONCE).success(**read_dial)
            for chart in (*charts, self.readouts)
        ]
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
        return [marks[-1], *picked, dice]


def another(model: Model) -> str:
    """Return the label of the button for another picture."""
    return "Another random digit" if model.line_up == "digits" else "Another random face"


def only_used(used: Mapping[str, Sequence[str]]) -> str:
    """Write the style sheet that hides the controls which the open tab does not use.

    Args:
        used: id of a tab's place on the page → names in Settings.
    """
    rules = []
    for place, uses in used.items():
        hidden = [selector for name, selector in PLACES.items() if name not in uses]
        hidden += [box for box, names in BOXES.items() if not set(names) & set(uses)]
        open_tab = f"#page:has(#{place}-button[aria-selected=true])"
        rules.append(f"{open_tab} :is({', '.join(hidden)}) {{ display: none; }}\n")
    return "".join(rules)


def opening_trip(models: Models) -> RoundTrip:
    """Return what the page opens with: the first example and a quarter of all noise."""
    model = models.first
    n = fields.N.default * model.schedule.T // 1000
    return RoundTrip(model.name, picking.examples(model)[0], n, **BEST)
