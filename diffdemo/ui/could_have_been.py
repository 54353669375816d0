"""The tab "What could it have been?": the exact posterior over a line-up, beside the network's own guess."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from diffdemo import service
from diffdemo.experiment import Belief
from diffdemo.models import Model
from diffdemo.ui import belief_view
from diffdemo.ui.controls import Settings, Stand, collected_names, levels
from diffdemo.ui.tab import Tab
from diffdemo.ui.widgets import html

FRAMES = 41

HOW = r"""
The line-up is 10,000 pictures the model never saw in training, and your picture. One of them was noised; all were equally likely. Bayes' rule
then gives each its exact probability,
$p(x_0 = x_i \mid x_n) = \mathrm{softmax}_i\big((\sqrt{\bar\alpha_n}\,\langle x_n, x_i\rangle - \tfrac12\bar\alpha_n|x_i|^2)/(1-\bar\alpha_n)\big)$,
and the best guess in mean square is the average $\sum_i p_i x_i$
(Karras et al., 2022, appendix B.3, [arXiv 2206.00364](https://arxiv.org/abs/2206.00364)).

The network's guess $\hat x_0$ answers the same question for *all* pictures that could be drawn, not only these. With much noise the two agree:
nobody can say more than the average. With less noise they part, because one who knows that only 10,001 pictures are possible soon needs only a few
bits to name one, while the network must still leave open what the noise hides; so its guess stays blurred, and that is right for the question it
answers. Near n = 0 both have the picture.

The attributes are sums of the same probabilities: all pictures with a hat together give P(hat | x_n).
"""


class CouldHaveBeen(Tab):
    """x_n, the top candidates with exact probabilities, two guesses, attributes; a flip-book over all n."""

    title, how = "What could it have been?", HOW
    asked = "How sure can the model be?"
    answer = (
        "As sure as x_n allows, and no surer: after few steps one picture is left, after all of them every picture is as "
        "probable as before. What the network answers in one step is the mean of what is left, which is why it looks blurred."
    )
    leads = "At first anything is possible, at last one picture. When is it decided?"
    n = 450
    kind = Belief
    uses = ("n", "first")
    body = (
        "belief",
        '<div class="controls"></div><div class="guesses"></div><div class="track"></div><div class="candidates"></div><div class="marginals"></div>',
    )

    def layout(self) -> None:
        """The tab's widgets, and under them the visitor's own line-up."""
        super().layout()
        with gr.Accordion("A line-up of your own", open=False, elem_id="own-line-up"):
            gr.Markdown("Collect pictures to choose between: choose one for the page, add it, choose the next. With none, all 10,000 count.")
            markup = '<div class="examples" role="group" aria-label="Your line-up"></div>'
            self.collected = html("examples", markup, "rail", [], elem_id="collected")
            with gr.Row():
                self.add = gr.Button("Add the page's picture", size="sm", elem_id="collect")
                self.clear = gr.Button("Use all 10,000 again", size="sm", elem_id="clear")

    @property
    def own(self) -> list[Any]:
        """The visitor's own line-up."""
        return [self.collected]

    @staticmethod
    def ask(s: Settings, collected: Any, *_: Any) -> Belief:
        """The dial and the first seed; with nothing collected, the model's own line-up."""
        return Belief(s.model.name, s.picture, s.n, s.first, collected_names(collected), **s.told)

    @staticmethod
    def stand(e: Belief, model: Model) -> Stand:
        """The dial, the first seed, and the pictures collected."""
        return Stand({"n": e.n, "first": e.seed}, (e.line_up.split(",") if e.line_up else [],))

    def work(self, e: Belief, model: Model, given: Any) -> Iterator[tuple[Any, Any]]:
        """Yields (sentence, flip-book) once: one batch of network calls serves all levels."""
        if model.line_up is None and not e.line_up:
            what = f"There is no line-up of the pictures {model.name} was trained on, so nobody can say what else it could have been."
            yield {"text": f"{what} Collect some of your own below, and the question is which of them it was.", "note": ""}, None
            return
        frames = service.beliefs(e, model, given, sorted({*levels(model, FRAMES), e.n}))
        shown = next(frame for frame in frames if frame.experiment.n == e.n)
        yield {**self.words(shown), "note": belief_view.note(shown, frames)}, belief_view.flipbook(frames, e.n)
