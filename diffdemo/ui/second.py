"""The second picture, B, that two tabs share: a portrait, a strip to choose from, and the picture of the rail."""

from typing import Any

import gradio as gr

from diffdemo.models import Model
from diffdemo.ui import handlers
from diffdemo.ui.shelf import Models
from diffdemo.ui.widgets import QUIET, html, told

STRIP = '<div class="examples" role="group" aria-label="Examples for the second picture"></div>'


class Second:
    """The widgets of picture B.

    Args:
        models: those the page can switch between.
    """

    def __init__(self, models: Models):
        self.models = models
        self.strips: list[gr.HTML] = []

    def layout(self) -> None:
        """Build portrait, strip and buttons."""
        with gr.Row(elem_classes="second", equal_height=False):
            self.portrait = html(
                "portrait", '<div class="portrait"></div>', "rail", handlers.second(self.models.first), elem_id="second", min_width=120
            )
            with gr.Column(scale=3, min_width=200):
                gr.Markdown("**Picture B**, the second one; picture A is the page's own.")
                self.add_strip("second-strip")
                with gr.Row():
                    self.another = gr.Button("Another at random", size="sm", elem_id="second-another", min_width=120)
                    self.same = gr.Button("Take picture A", size="sm", elem_id="second-same", min_width=120)

    def add_strip(self, elem_id: str) -> None:
        """A strip of examples that sets picture B; there may be several."""
        self.strips.append(html("examples", STRIP, "rail", handlers.strip(self.models.first), elem_id=elem_id))

    def wire(self, switch: Any, picture: Any) -> list[Any]:
        """Connect the other events; returns those after which the open tab is to be run.

        Args:
            switch: the widget that names the model.
            picture: the portrait of the rail.
        """
        quiet = {"queue": False, **QUIET}
        chosen = [strip.select(told(handlers.choose_example, self.models), switch, self.portrait, **quiet) for strip in self.strips]
        another = self.another.click(told(handlers.choose_random, self.models), switch, self.portrait, **quiet)
        return [*chosen, another, self.same.click(told(handlers.take), picture, self.portrait, **quiet)]

    def suit(self, model: Model) -> dict[Any, Any]:
        """Widget → picture B and the strips that suit a model."""
        return {self.portrait: handlers.second(model), **dict.fromkeys(self.strips, handlers.strip(model))}
