"""The tab "Point of no return": what is known and what is kept at every n, with the tiles."""

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


class Tab(tab.Tab):
    """Curves over n: bits known, share kept, RMSE; below them tiles, a row a seed."""

    kind = Curve
    title = "Point of no return"
    group = "Does it come back?"
    how = (Path(__file__).parent / "how.md").read_text()
    thread_question = "Where between 250 and 1000 is the picture lost?"
    thread_answer = (
        "Not at one step: what shows in the picture, whether it comes back, and what anyone could "
        "still know of it fade at different n."
    )
    leads = "Nothing of the picture is left in x_T. Is there an x_T that leads back all the same?"
    uses = ("n", "first", "per_level", "listed", *SAMPLER)  # the dial marks a place on the chart
    script = "chart"
    markup = (
        '<div class="plot"></div><p class="legend"></p><div class="tiles"></div>'
        '<div class="level"></div><details class="numbers"></details>'
    )
    shared = ("lines",)
    pictures = 6

    def controls(self) -> None:
        """Build the control for the levels."""
        hint = "21 of them, evenly spaced"
        with gr.Row(elem_classes="own"):
            self.levels = line(
                fields.LEVELS, placeholder=hint, elem_id="curve-levels", min_width=200
            )
        self.own = {"levels": self.levels}

    def changes(self) -> list[Any]:
        """Run after levels are entered."""
        return [self.levels.submit, self.levels.blur]

    def experiment(self, s: Settings, own: Values) -> Curve:
        """Take the usual levels where none are entered."""
        levels = own["levels"] or even_levels(s.model)
        seeds = s.seeds(PER_LEVEL.accept(s.per_level))
        return Curve(**s.common, levels=levels, seeds=seeds, **s.sampler)

    def values(self, e: Curve, model: Model) -> ControlValues:
        """Leave the usual levels empty."""
        levels = "" if e.levels == even_levels(model) else format_levels(e.levels)
        rail = {**sampler_values(e), **seed_values(e.seeds, "per_level")}
        return ControlValues(rail, {"levels": levels})

    def doing(self, ready: Ready) -> str:
        """Name the levels and the seeds."""
        e = ready.experiment
        levels = counted(len(e.levels), "level")
        return f"Going back from {levels} of noise with {counted(len(e.seeds), 'seed')} each."

    def partial(self, progress: Progress, ready: Ready) -> dict[str, Any]:
        """Return the strip of tiles."""
        return unfinished(progress, ready.experiment)
