"""The tab "Where paths split": one path down from x_T, and futures that leave it on the way."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from diffdemo import service
from diffdemo.experiment import Branch
from diffdemo.lab import BranchResult
from diffdemo.models import Model
from diffdemo.ui import branch_view, views
from diffdemo.ui.controls import Settings, Stand
from diffdemo.ui.tab import Tab
from diffdemo.ui.widgets import slider

HOW = r"""
One path goes down from $x_T$ with fresh noise in every step (eta = 1, ancestral sampling: Ho et al., 2020,
[arXiv 2006.11239](https://arxiv.org/abs/2006.11239)). At points along it the same state is handed to several futures, which go on down the same
levels, each with noise of its own (seed + 1, seed + 2, …). Whatever they still have in common at the end was decided before they parted.
What is **in common** is read by a small classifier, for all pairs of futures; the dotted line is what two unrelated pictures share by chance.
The same test on ImageNet, with a class for an attribute, is that of Sclocchi et al., 2025, [arXiv 2402.16991](https://arxiv.org/abs/2402.16991):
large, coarse things are decided early, details late.

**Jump back**: sampling need not only go down. Noise can be added again, $x_t = \sqrt{a}\,x_s + \sqrt{1-a}\,z$ with
$a = \bar\alpha_t/\bar\alpha_s$, and the steps walked once more, as RePaint does to let a half-finished picture reconsider
(Lugmayr et al., 2022, [arXiv 2201.09865](https://arxiv.org/abs/2201.09865)). With jumps, a future that leaves at $n$ climbs above $n$ again, so
decisions fall later.
"""
MARKUP = '<div class="tree"></div><div class="detail"></div><div class="decided"></div>'


class PathsSplit(Tab):
    """A tree: rows are branching points, tiles are futures; under it how much the futures of each point share."""

    title, how = "Where paths split", HOW
    asked = "When is it decided what the picture will be?"
    answer = "On the way, a little at every step: paths that part early end at unrelated pictures, paths that part late at nearly the same."
    leads = "That was the whole way. What did your own runs say?"
    kind = Branch
    uses = ("first",)
    body = ("branch", MARKUP)
    updates = 6

    def controls(self) -> None:
        """Points, futures, steps and jumps."""
        with gr.Row(elem_classes="own"):
            self.points = slider("points", minimum=2, maximum=16, elem_id="branch-points", min_width=180)
            self.futures = slider("futures", maximum=12, elem_id="branch-futures", min_width=180)
            self.steps = slider("steps", value=Branch.steps, minimum=2, maximum=200, elem_id="branch-steps", min_width=180)
            self.jump = slider("jump", elem_id="branch-jump", min_width=180)

    @property
    def own(self) -> list[Any]:
        """Points, futures, steps, jump."""
        return [self.points, self.futures, self.steps, self.jump]

    @property
    def changes(self) -> list[Any]:
        """Letting a slider go."""
        return [widget.release for widget in self.own]

    @staticmethod
    def ask(s: Settings, points: Any, futures: Any, steps: Any, jump: Any) -> Branch:
        """The first seed alone of the rail: the path begins at n = T."""
        return Branch(s.model.name, s.picture, s.first, points, futures, steps, jump, **s.told)

    @staticmethod
    def stand(e: Branch, model: Model) -> Stand:
        """The first seed and its own controls."""
        return Stand({"first": e.seed}, (e.points, e.futures, e.steps, e.jump))

    def work(self, e: Branch, model: Model, given: Any) -> Iterator[tuple[Any, Any]]:
        """Yields (sentence, tree) after every network call and last the finished ones."""
        text = f"Going down from n = {model.schedule.T}, and on from {e.points} points with {e.futures} futures each."
        for item, due in self.paced(service.stream(e, model, given)):
            if isinstance(item, BranchResult):
                yield self.words(item), branch_view.tree(item)
            else:
                yield views.running(item, text), (branch_view.partial_tree(item, e) if due else None) or gr.skip()
