"""The tab "Two pictures, one noise": two equations with one x_n, and the ways back from it."""

from pathlib import Path
from typing import Any

import gradio as gr

from diffdemo.experiments.collision import Collision
from diffdemo.lab.prepare import Ready
from diffdemo.models import Model
from diffdemo.report.portraits import picture_of
from diffdemo.widgets import tab
from diffdemo.widgets.components import slider
from diffdemo.widgets.controls import ControlValues, Settings, Values


class Tab(tab.Tab):
    """A, B and the noisy picture they share, who came back; behind "more" noises and odds."""

    kind = Collision
    title = "Two pictures, one noise"
    group = "What can be known?"
    how = (Path(__file__).parent / "how.md").read_text()
    thread_question = "Can two pictures share one noise?"
    thread_answer = (
        "Yes: every noisy picture can be made from every picture, with another noise for each. "
        "What differs is how likely that noise is. After a few noise steps there is no doubt which "
        "picture it was. After all of them there is hardly a difference."
    )
    leads = "A noisy picture belongs to no single picture. Is the final noise a code for one?"
    n = 500
    uses = ("n", "first")
    script = "collide"
    markup = (
        '<div class="shared"></div><h3 class="ways-title"></h3><div class="ways"></div>'
        '<p class="legend verdicts"></p>'
        '<details class="more"><summary>More: both noises, and how likely each picture is'
        '</summary><div class="equations"></div><div class="facts"></div><div class="odds"></div>'
        "</details>"
    )
    shared = ("lines", "figures")

    def controls(self) -> None:
        """Build picture B, and the sampler of the ways back."""
        self.second.layout()
        known = Collision.fields()
        with gr.Accordion("Settings of the tries", open=False), gr.Row(elem_classes="own"):
            self.steps = slider(known["steps"], maximum=200, elem_id="collide-steps", min_width=200)
            fresh = "Fresh noise in every step (eta)"
            self.eta = slider(
                known["eta"], step=0.05, label=fresh, elem_id="collide-eta", min_width=200
            )
        self.own = {"other": self.second.portrait, "steps": self.steps, "eta": self.eta}

    def changes(self) -> list[Any]:
        """Run after a slider is let go."""
        return [self.steps.release, self.eta.release]

    def experiment(self, s: Settings, own: Values) -> Collision:
        """Take the dial and the first seed, and a sampler of its own."""
        return Collision(
            **s.common,
            other=picture_of(own["other"]),
            n=s.n,
            seed=s.first,
            steps=own["steps"],
            eta=own["eta"],
        )

    def values(self, e: Collision, model: Model) -> ControlValues:
        """Return the dial, the first seed and its own controls."""
        own = {"other": e.other, "steps": e.steps, "eta": e.eta}
        return ControlValues({"n": e.n, "first": e.seed}, own)

    def doing(self, ready: Ready) -> str:
        """Name the level."""
        n = ready.experiment.n
        return f"Removing the noise from the one picture that A and B share at n = {n}."
