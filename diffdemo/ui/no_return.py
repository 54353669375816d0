"""The tab "Point of no return": what is known and what is kept at every n, and the tiles that show it."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from diffdemo import service
from diffdemo.experiment import Curve
from diffdemo.fields import format_levels
from diffdemo.lab import CurveResult
from diffdemo.models import Model
from diffdemo.terms import counted
from diffdemo.ui import curve_view, views
from diffdemo.ui.controls import PER_LEVEL, SAMPLER, Settings, Stand, levels, sampler_stand, seeds_stand
from diffdemo.ui.tab import Tab
from diffdemo.ui.widgets import line

HOW = r"""
Every level and every seed is a row of one batch. **Bits known** is no network's opinion: with 10,001 candidates, all equally likely before,
Bayes' rule gives
$p(x_0 = x_i \mid x_n) \propto \exp\!\big((\sqrt{\bar\alpha_n}\,\langle x_n, x_i\rangle - \tfrac12\bar\alpha_n |x_i|^2)/(1-\bar\alpha_n)\big)$,
its entropy $H$ is what is missing, and $\log_2 N - H$ what is known
(Karras et al., 2022, appendix B.3, [arXiv 2206.00364](https://arxiv.org/abs/2206.00364)). **Kept** is read from the reconstructions by a small
classifier; the dotted line is what an unrelated picture keeps by chance. **RMSE** is the distance to the original, as a share of that between
unrelated pictures.

**Speciation** marks where $\bar\alpha_n = 1/\Lambda$, with $\Lambda$ the largest eigenvalue of the covariance of the pictures: about there the way
back chooses between the main kinds of pictures (Biroli et al., 2024, [arXiv 2402.18491](https://arxiv.org/abs/2402.18491)).

The exact observer knows only these 10,001 pictures, which is far easier than knowing all that could be drawn: what singles a picture out of a line-up
outlives what it takes to draw it in every detail. On a large model the fall comes later in n for large, coarse things and earlier for fine ones.
"""


class NoReturn(Tab):
    """Curves over n: bits known, share kept, RMSE; under them the tiles, rows = seeds, columns = n."""

    title, how = "Point of no return", HOW
    asked = "Where between 250 and 1000 is the picture lost?"
    answer = "Not at one step: what shows in the picture, whether it comes back, and what anyone could still know of it fade at different n."
    leads = "Nothing of the picture is left in x_T. Is there an x_T that leads back all the same?"
    kind = Curve
    uses = ("n", "first", "per_level", "listed", *SAMPLER)  # the dial marks a place on the chart
    body = (
        "chart",
        '<div class="plot"></div><p class="legend"></p><div class="tiles"></div><div class="level"></div><details class="numbers"></details>',
    )
    updates = 6

    def controls(self) -> None:
        """The levels."""
        with gr.Row(elem_classes="own"):
            self.levels = line("levels", placeholder="21 of them, evenly spaced", elem_id="curve-levels", min_width=200)

    @property
    def own(self) -> list[Any]:
        """The levels."""
        return [self.levels]

    @property
    def changes(self) -> list[Any]:
        """Entering levels."""
        return [self.levels.submit, self.levels.blur]

    @staticmethod
    def ask(s: Settings, listed: Any = "", *_: Any) -> Curve:
        """Levels left empty are the usual ones; so many seeds as the rail gives each level."""
        seeds = s.seeds(PER_LEVEL.accept(s.per_level))
        return Curve(s.model.name, s.picture, listed or levels(s.model), seeds, s.steps, s.eta, s.solver, s.spacing, **s.told)

    @staticmethod
    def stand(e: Curve, model: Model) -> Stand:
        """The usual levels are left empty."""
        listed = "" if e.levels == levels(model) else format_levels(e.levels)
        return Stand({**sampler_stand(e), **seeds_stand(e.seeds, "per_level")}, (listed,))

    def work(self, e: Curve, model: Model, given: Any) -> Iterator[tuple[Any, Any]]:
        """Yields (sentence, chart) after every network call and last the finished ones."""
        text = f"Going back from {counted(len(e.levels), 'level')} of noise with {counted(len(e.seeds), 'seed')} each."
        for item, due in self.paced(service.stream(e, model, given)):
            if isinstance(item, CurveResult):
                yield self.words(item), curve_view.chart(item)
            else:
                yield views.running(item, text), curve_view.partial_chart(item, e) if due else gr.skip()
