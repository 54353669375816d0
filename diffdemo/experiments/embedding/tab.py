"""The tab "Is x_T an embedding?": five ways from one picture to a code, and what each is worth."""

from pathlib import Path
from typing import Any

import gradio as gr

from diffdemo.errors import ExperimentError
from diffdemo.experiments.embedding import METHODS, WARM, Embedding
from diffdemo.lab import fields
from diffdemo.lab.prepare import Ready
from diffdemo.models import Model
from diffdemo.report.portraits import picture_of
from diffdemo.report.words import counted
from diffdemo.widgets import tab
from diffdemo.widgets.components import RawRadio, choices, slider
from diffdemo.widgets.controls import PER_LEVEL, ControlValues, Settings, Values, seed_values

AT_T = "all noise, n = T"
AT_DIAL = "the dial's n"


class Tab(tab.Tab):
    """Five columns, the table of statistics, error against steps, the kept z, the swap test."""

    kind = Embedding
    title = "Is x_T an embedding?"
    group = "Is noise a code?"
    how = (Path(__file__).parent / "how.md").read_text()
    thread_question = "Is x_T not an embedding of the picture? Do two seeds give it two embeddings?"
    thread_answer = (
        "Noise that is drawn knows nothing of the picture. Inversion finds an x_T that leads back, "
        "but it is not noise like any other. And once the path down is kept, every x_T leads back: "
        "the path is the code."
    )
    leads = "One picture can have many codes. Can one noisy picture have come from two pictures?"
    uses = ("n", "first", "per_level", "listed")
    script = "embed"
    markup = (
        '<div class="columns"></div><div class="table"></div><div class="charts">'
        '<div class="errors"></div><div class="variance"></div><div class="correlation"></div>'
        '</div><div class="swap"></div>'
    )
    shared = ("lines",)

    def controls(self) -> None:
        """Build the controls: where the codes are, the steps, the warm start, which codes."""
        with gr.Row(elem_classes="own"):
            self.at = RawRadio(
                label="Codes at",
                choices=[AT_T, AT_DIAL],
                value=AT_T,
                elem_id="embed-at",
                min_width=340,
            )
            bounds: dict[str, float] = {"value": 20, "minimum": 2, "maximum": 100}
            self.steps = slider(fields.STEPS, elem_id="embed-steps", min_width=200, **bounds)
            bounds = {"step": 0.02, "maximum": 0.5}
            self.warm = slider(WARM, elem_id="embed-warm", min_width=200, **bounds)
        self.methods = choices(METHODS, elem_id="embed-methods")
        self.own = {
            "at": self.at,
            "steps": self.steps,
            "warm": self.warm,
            "methods": self.methods,
            "other": self.second.portrait,
        }

    def extras(self) -> None:
        """Build the strip for the second picture."""
        with gr.Accordion("Another picture B for the swap test", open=False, elem_id="swap"):
            self.second.add_strip("swap-strip")

    def changes(self) -> list[Any]:
        """Run after a choice, or after a slider is let go."""
        return [self.at.input, self.methods.input, self.steps.release, self.warm.release]

    def experiment(self, s: Settings, own: Values) -> Embedding:
        """Take the dial only where the codes are at the dial's n."""
        if own["at"] not in (AT_T, AT_DIAL):
            raise ExperimentError(f"The codes are those at one of: {AT_T}, {AT_DIAL}.")
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
        """Return the controls; with the codes at T the dial stays where it is."""
        at_T = e.n == model.schedule.T
        rail = seed_values(e.seeds, "per_level")
        if not at_T:
            rail["n"] = e.n
        own = {
            "at": AT_T if at_T else AT_DIAL,
            "steps": e.steps,
            "warm": e.warm,
            "methods": list(e.methods),
            "other": e.other,
        }
        return ControlValues(rail, own)

    def doing(self, ready: Ready) -> str:
        """Name the codes and the steps."""
        e = ready.experiment
        codes = counted(len(e.methods), "kind")
        steps = counted(min(e.n, e.steps), "step")
        return f"Finding {codes} of codes with {steps}, and going back from each."
