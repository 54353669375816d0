"""The tab "Where paths split": one path down from x_T, and futures that leave it on the way."""

from pathlib import Path
from typing import Any

import gradio as gr

from diffdemo.experiments.branch import Branch
from diffdemo.experiments.branch.words import unfinished
from diffdemo.lab.prepare import Ready
from diffdemo.lab.progress import Progress
from diffdemo.models import Model
from diffdemo.report.words import counted
from diffdemo.widgets import tab
from diffdemo.widgets.components import slider
from diffdemo.widgets.controls import ControlValues, Settings, Values

BOUNDS: dict[str, dict[str, int]] = {  # of the sliders; a link may go beyond them
    "points": {"minimum": 2, "maximum": 16},
    "futures": {"maximum": 12},
    "steps": {"minimum": 2, "maximum": 200},
    "jump": {},
}


class Tab(tab.Tab):
    """Rows are points of the path, tiles the ends of paths that leave it there."""

    kind = Branch
    title = "Where paths split"
    group = "What can be known?"
    how = (Path(__file__).parent / "how.md").read_text()
    thread_question = "When is it decided what the picture will be?"
    thread_answer = (
        "On the way, a little at every step. Paths that part early end as strangers, paths that "
        "part late end nearly the same."
    )
    leads = "One noisy picture can end at many pictures. Can two pictures also share one?"
    uses = ("first",)
    script = "branch"
    markup = (
        '<div class="tree"></div><p class="part-played"></p><p class="measure"></p>'
        '<div class="detail"></div><div class="decided"></div>'
        '<details class="more"><summary>More: the distance between the ends</summary>'
        '<div class="distance"></div></details>'
    )
    shared = ("lines", "figures")
    pictures = 6

    def controls(self) -> None:
        """Build the sliders: points, futures, steps and jump."""
        known = Branch.fields()
        with gr.Accordion("Settings of these paths", open=False), gr.Row(elem_classes="own"):
            for name, bounds in BOUNDS.items():
                place = f"branch-{name}"
                self.own[name] = slider(known[name], elem_id=place, min_width=180, **bounds)

    def changes(self) -> list[Any]:
        """Run after a slider is let go."""
        return [widget.release for widget in self.own.values()]

    def experiment(self, s: Settings, own: Values) -> Branch:
        """Take only the first seed from the page's controls: the path begins at n = T."""
        return Branch(**s.common, seed=s.first, **own)

    def values(self, e: Branch, model: Model) -> ControlValues:
        """Return the first seed and its own controls."""
        return ControlValues({"first": e.seed}, {name: getattr(e, name) for name in BOUNDS})

    def doing(self, ready: Ready) -> str:
        """Name where the path begins, the points and the futures."""
        e = ready.experiment
        points = counted(e.points, "point")
        futures = f"{counted(e.futures, 'path')} leave it"
        start = f"One path is denoised from n = {ready.model.schedule.T}"
        return f"{start}, and from {points} of it {futures}."

    def partial(self, progress: Progress, ready: Ready) -> dict[str, Any] | None:
        """Return the latest estimates of the futures."""
        return unfinished(progress, ready.experiment)
