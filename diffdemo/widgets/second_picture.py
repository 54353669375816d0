"""The second picture, B, that two tabs share: a portrait, and ways to pick it."""

from typing import Any

import gradio as gr

from diffdemo.lab import fields
from diffdemo.models import Model
from diffdemo.report.portraits import Portrait, picture_of
from diffdemo.widgets import picking
from diffdemo.widgets.available import Models
from diffdemo.widgets.components import html
from diffdemo.widgets.events import AT_ONCE, Events, Options, safely

LABEL = "Examples for picture B"
STRIP = f'<div class="examples" role="group" aria-label="{LABEL}"></div>'


class SecondPicture:
    """The controls of picture B.

    Args:
        models: those the page can switch between.
    """

    def __init__(self, models: Models):
        self.models = models
        self.strips: list[gr.HTML] = []
        options: Options = {"elem_id": "second", "min_width": 120, "render": False}
        first = second_example(models.first)
        self.portrait = html(
            "portrait", '<div class="portrait"></div>', "portrait", first, **options
        )

    def layout(self) -> None:
        """Build portrait, strip and buttons."""
        with gr.Row(elem_classes="second", equal_height=False):
            self.portrait.render()
            with gr.Column(scale=3, min_width=200):
                gr.Markdown("**Choose picture B.** Picture A is your picture.")
                self.add_strip("second-strip")
                with gr.Row():
                    size: Options = {"size": "sm", "min_width": 120}
                    self.another = gr.Button("Another at random", elem_id="second-another", **size)
                    self.same = gr.Button("Same as picture A", elem_id="second-same", **size)

    def add_strip(self, elem_id: str) -> None:
        """Build a strip of examples that sets picture B; there may be several."""
        portraits = picking.example_portraits(self.models.first)
        self.strips.append(html("examples", STRIP, "examples", portraits, elem_id=elem_id))

    def wire(self, switch: gr.Radio, picture: gr.HTML) -> Events:
        """Connect the events; returns those after which the open tab runs.

        Args:
            switch: the control that names the model.
            picture: the portrait of the page.
        """
        pick_example = safely(picking.pick_example, self.models)
        pick_random = safely(picking.pick_random, self.models)
        events = [
            strip.select(pick_example, switch, self.portrait, **AT_ONCE) for strip in self.strips
        ]
        events.append(self.another.click(pick_random, switch, self.portrait, **AT_ONCE))
        events.append(self.same.click(safely(take_first), picture, self.portrait, **AT_ONCE))
        return events

    def updates(self, model: Model) -> dict[Any, Any]:
        """Return what the controls show for a model."""
        portraits = picking.example_portraits(model)
        return {self.portrait: second_example(model), **dict.fromkeys(self.strips, portraits)}


def second_example(model: Model) -> Portrait:
    """Return the portrait that picture B starts with."""
    return picking.portrait_of(model, picking.examples(model)[1])


def take_first(portrait: object) -> Any:
    """Return the portrait of the page, to be the second picture.

    Raises:
        ExperimentError: it is too large to be named in a link.
    """
    fields.OTHER.accept(picture_of(portrait))
    return portrait
