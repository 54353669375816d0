"""The tab "Point of no return": what comes back from every number of noise steps."""

from pathlib import Path
from typing import Any

import gradio as gr

from diffdemo.experiments.curve import Curve
from diffdemo.experiments.curve.words import unfinished
from diffdemo.lab import fields
from diffdemo.lab.notation import format_levels
from diffdemo.lab.prepare import Ready
from diffdemo.lab.progress import Progress
from diffdemo.models import Model
from diffdemo.report.words import counted
from diffdemo.widgets import tab
from diffdemo.widgets.components import line
from diffdemo.widgets.controls import (
    PER_LEVEL,
    SAMPLER,
    ControlValues,
    Settings,
    Values,
    even_levels,
    sampler_values,
    seed_values,
)
from diffdemo.widgets.events import typed


class Tab(tab.Tab):
    """What came back at every n, the share of tries that did, and behind "more" other curves."""

    kind = Curve
    title = "Point of no return"
    group = "Does it come back?"
    how = (Path(__file__).parent / "how.md").read_text()
    thread_question = "Where between 250 and 1000 noise steps is the picture lost?"
    thread_answer = (
        "Not at one step. Visible features go first. Then fewer and fewer tries come back. What "
        "could still tell the picture from others lasts longest."
    )
    leads = "The picture is lost little by little. What else could the noisy picture have been?"
    uses = ("n", "first", "per_level", "listed", *SAMPLER)  # the dial marks a place on the chart
    script = "chart"
    markup = (
        '<div class="first"></div><div class="tiles"></div><p class="legend verdicts"></p>'
        '<div class="plot"></div><div class="level"></div>'
        '<details class="more"><summary>More curves: information, features, distance</summary>'
        '<div class="others"></div><div class="numbers"></div></details>'
    )
    shared = ("lines", "figures")
    pictures = 6

    def controls(self) -> None:
        """Build the control for the levels."""
        known: dict[str, Any] = {
            "label": "Noise levels (empty: 21, evenly spaced)",
            "placeholder": "as 0:1000:50 or 0,100,250",
            "elem_id": "curve-levels",
        }
        with gr.Accordion("Which noise levels are tried", open=False):
            self.levels = line(fields.LEVELS, **known)
        self.own = {"levels": self.levels}

    def changes(self) -> list[Any]:
        """Run after levels are entered."""
        return [typed(self.levels)]

    def experiment(self, s: Settings, own: Values) -> Curve:
        """Take the usual levels where none are entered."""
        levels = own["levels"] or even_levels(s.model)
        seeds = s.seeds(PER_LEVEL.accept(s.per_level))
        return Curve(**s.common, levels=levels, seeds=seeds, **s.sampler)

    def values(self, e: Curve, model: Model) -> ControlValues:
        """Leave the usual levels empty."""
        levels = "" if e.levels == even_levels(model) else format_levels(e.levels)
        shared = {**sampler_values(e), **seed_values(e.seeds, "per_level")}
        return ControlValues(shared, {"levels": levels})

    def doing(self, ready: Ready) -> str:
        """Name the levels and the seeds."""
        e = ready.experiment
        levels = counted(len(e.levels), "noise level")
        seeds = counted(len(e.seeds), "seed")
        return f"Adding noise at {levels} and removing it again, with {seeds} each."

    def partial(self, progress: Progress, ready: Ready) -> dict[str, Any]:
        """Return the strip of tiles."""
        return unfinished(progress, ready.experiment)
