"""The tab "Two pictures, one noise": the noise that takes B to A's very x_n, how plausible it is, and whose picture comes back."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from diffdemo import service
from diffdemo.experiment import Collision
from diffdemo.lab import CollisionResult
from diffdemo.models import Model
from diffdemo.ui import collide_view, views
from diffdemo.ui.controls import Settings, Stand, named
from diffdemo.ui.second import Second
from diffdemo.ui.tab import Tab
from diffdemo.ui.widgets import slider

HOW = r"""
For any $x_n$ and any picture there is a noise that leads from one to the other. From
$\sqrt{\bar\alpha_n}\,A + \sqrt{1-\bar\alpha_n}\,\varepsilon_A = \sqrt{\bar\alpha_n}\,B + \sqrt{1-\bar\alpha_n}\,\varepsilon_B$ follows
$\varepsilon_B = \varepsilon_A + \sqrt{\bar\alpha_n/(1-\bar\alpha_n)}\,(A - B)$. So every $x_n$ belongs to every picture, and the only question is how
probable the noise is.

**As long as true noise**: the mean square of true noise over $d$ pixels is $1 \pm 2\sqrt{2/d}$. That is a weak test: it speaks up only long after
the odds have. **The odds** compare the two noises with each other, $\ln p(A \mid x_n)/p(B \mid x_n) = (|\varepsilon_B|^2 - |\varepsilon_A|^2)/2$,
exact for two pictures that were equally likely before. They are those of Bayes' rule over the line-up {A, B}; no network is asked.

**The ways back** all start from the one shared $x_n$, with fresh noise in every step (eta = 1), so each is a draw from what the network thinks
could have been. *A* or *B* is credited when it is the nearest to the result among itself, the other one and 10,000 pictures; how many attributes of
each are read in it is said below it. On a large model the argument is the same in latent space, with more pixels, so the
odds fall apart at a higher n.
"""
MARKUP = '<div class="equations"></div><div class="facts"></div><h3 class="ways-title"></h3><div class="ways"></div><div class="odds"></div>'


class TwoPictures(Tab):
    """Both equations with their pictures, the plausibility of B's noise, the odds over n, and ways back.

    Args:
        second: picture B.
    """

    title, how = "Two pictures, one noise", HOW
    asked = "Can two pictures share one noise?"
    answer = (
        "Every x_n belongs to every picture, with another noise for each. What differs is how probable that noise is: after "
        "few steps beyond all doubt, after all of them hardly."
    )
    leads = "Two pictures can be weighed against each other. And ten thousand?"
    n = 500
    kind = Collision
    uses = ("n", "first")
    body = ("collide", MARKUP)

    def __init__(self, second: Second):
        self.second = second

    def controls(self) -> None:
        """Picture B, and the sampler of the ways back."""
        self.second.layout()
        with gr.Row(elem_classes="own"):
            self.steps = slider("steps", value=Collision.steps, maximum=200, elem_id="collide-steps", min_width=200)
            self.eta = slider("eta", value=Collision.eta, step=0.05, elem_id="collide-eta", min_width=200)

    @property
    def own(self) -> list[Any]:
        """Picture B, steps and eta."""
        return [self.second.portrait, self.steps, self.eta]

    @property
    def changes(self) -> list[Any]:
        """Letting a slider go."""
        return [self.steps.release, self.eta.release]

    @staticmethod
    def ask(s: Settings, second: Any, steps: Any, eta: Any) -> Collision:
        """The dial, the first seed, and a sampler of its own."""
        return Collision(s.model.name, s.picture, named(second), s.n, s.first, steps, eta, **s.told)

    @staticmethod
    def stand(e: Collision, model: Model) -> Stand:
        """The dial, the first seed, and its own controls."""
        return Stand({"n": e.n, "first": e.seed}, (e.other, e.steps, e.eta))

    def work(self, e: Collision, model: Model, given: Any) -> Iterator[tuple[Any, Any]]:
        """Yields (sentence, nothing new) after every network call and last (sentence, equations)."""
        text = f"Going back from the x_n that both pictures share at n = {e.n}."
        for item in service.stream(e, model, given):
            if isinstance(item, CollisionResult):
                alpha_bar = float(model.schedule.alpha_bar[e.n])
                shown = collide_view.equations(item, alpha_bar**0.5, (1 - alpha_bar) ** 0.5, model.schedule.T)
                yield self.words(item), shown
            else:
                yield views.running(item, text), gr.skip()
