"""The tab "Is x_T an embedding?": which noises lead back to a picture, and at what price."""

from pathlib import Path
from typing import Any

import gradio as gr

from diffdemo.errors import ExperimentError
from diffdemo.experiments.embedding import CODES, METHODS, WARM, Embedding
from diffdemo.experiments.embedding.findings import NAMES
from diffdemo.lab import fields
from diffdemo.lab.prepare import Ready
from diffdemo.models import Model
from diffdemo.report.portraits import picture_of
from diffdemo.report.words import counted
from diffdemo.widgets import tab
from diffdemo.widgets.components import RawRadio, choices, slider
from diffdemo.widgets.controls import PER_LEVEL, ControlValues, Settings, Values, seed_values

AT_T = "after all noise steps (x_T)"
AT_DIAL = "after the dial's noise steps (x_n)"


class Tab(tab.Tab):
    """Three findings; behind "more" all noises, statistics, charts and the swap test."""

    kind = Embedding
    title = "Is x_T an embedding?"
    group = "Is noise a code?"
    how = (Path(__file__).parent / "how.md").read_text()
    thread_question = "Is x_T not an embedding of the picture? Do two seeds give it two embeddings?"
    thread_answer = (
        "Random noise knows nothing of the picture. Inversion computes a noise from the picture "
        "that leads back, but it is not noise like any other. And with a record of every step any "
        "noise leads back: then the record is the code, not x_T, the final noise."
    )
    leads = "That was the whole story. What did your own runs say?"
    uses = ("n", "first", "per_level", "listed")
    script = "embed"
    markup = (
        '<div class="first"></div><div class="findings"></div><p class="legend verdicts"></p>'
        '<details class="more"><summary>More: every noise, and what it led to</summary>'
        '<div class="columns"></div></details>'
        '<details class="more"><summary>More: does it pass as ordinary noise?</summary>'
        '<div class="table"></div></details>'
        '<details class="more"><summary>More: errors, and what the record holds</summary>'
        '<div class="charts"><div class="errors"></div><div class="variance"></div>'
        '<div class="correlation"></div></div></details>'
        '<details class="more"><summary>More: swap and blend with picture B</summary>'
        '<div class="swap"></div></details>'
    )
    shared = ("lines", "figures")

    def controls(self) -> None:
        """Build the controls: where the noises are, the steps, the warm start, which kinds."""
        with gr.Accordion("Settings of these noises", open=False):
            with gr.Row(elem_classes="own"):
                self._sliders()
            names = [(NAMES[method], method) for method in CODES]
            label = "Kinds of noise"
            self.methods = choices(METHODS, choices=names, label=label, elem_id="embed-methods")
        self.own = {
            "at": self.at,
            "steps": self.steps,
            "warm": self.warm,
            "methods": self.methods,
            "other": self.second.portrait,
        }

    def _sliders(self) -> None:
        """Build the choice of the level and the sliders, in one row."""
        self.at = RawRadio(
            label="The noise",
            choices=[AT_T, AT_DIAL],
            value=AT_T,
            elem_id="embed-at",
            min_width=340,
        )
        bounds: dict[str, float] = {"value": 20, "minimum": 2, "maximum": 100}
        self.steps = slider(fields.STEPS, elem_id="embed-steps", min_width=200, **bounds)
        bounds = {"step": 0.02, "maximum": 0.5}
        label = "Warm start: share of the lowest steps replaced by true noise"
        self.warm = slider(WARM, label=label, elem_id="embed-warm", min_width=200, **bounds)

    def extras(self) -> None:
        """Build the strip for the second picture."""
        with gr.Accordion("Picture B, to swap and blend with", open=False, elem_id="swap"):
            self.second.add_strip("swap-strip")

    def changes(self) -> list[Any]:
        """Run after a choice, or after a slider is let go."""
        return [self.at.input, self.methods.input, self.steps.release, self.warm.release]

    def experiment(self, s: Settings, own: Values) -> Embedding:
        """Take the dial only where the noise is that at the dial's n."""
        if own["at"] not in (AT_T, AT_DIAL):
            raise ExperimentError(f"The noise is one of: {AT_T}, {AT_DIAL}.")
        return Embedding(
            **s.common,
            n=s.model.schedule.T if own["at"] == AT_T else s.n,
            seeds=s.seeds(PER_LEVEL.accept(s.per_level)),
            steps=own["steps"],
            methods=own["methods"],
            warm=own["warm"],
            other=picture_of(own["other"]),
        )

    def values(self, e: Embedding, model: Model) -> ControlValues:
        """Return the controls; with the noise at T the dial stays where it is."""
        at_T = e.n == model.schedule.T
        shared = seed_values(e.seeds, "per_level")
        if not at_T:
            shared["n"] = e.n
        own = {
            "at": AT_T if at_T else AT_DIAL,
            "steps": e.steps,
            "warm": e.warm,
            "methods": list(e.methods),
            "other": e.other,
        }
        return ControlValues(shared, own)

    def doing(self, ready: Ready) -> str:
        """Name the kinds of noise and the steps."""
        e = ready.experiment
        kinds = counted(len(e.methods), "kind")
        steps = counted(min(e.n, e.steps), "denoising step")
        return f"Making {kinds} of noise, and removing each again in {steps}."
