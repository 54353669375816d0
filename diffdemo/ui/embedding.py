"""The tab "Is x_T an embedding?": five ways from one picture to a code, and what each is worth."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from diffdemo import service
from diffdemo.errors import ExperimentError
from diffdemo.experiment import Embedding
from diffdemo.lab import EmbeddingResult
from diffdemo.models import Model
from diffdemo.terms import counted
from diffdemo.ui import embed_view, views
from diffdemo.ui.controls import PER_LEVEL, Settings, Stand, named, seeds_stand
from diffdemo.ui.second import Second
from diffdemo.ui.tab import Tab
from diffdemo.ui.widgets import RawRadio, choices, slider

HOW = r"""
**Random noise** is $x_n = \sqrt{\bar\alpha_n}\,x_0 + \sqrt{1-\bar\alpha_n}\,\varepsilon$, as in the first tab. **DDIM inversion** runs the
sampler's steps upwards, $x_p = \tfrac{A_p}{A_t} x_t + (S_p - S_t \tfrac{A_p}{A_t})\,\hat\varepsilon(x_t, p)$ with $A = \sqrt{\bar\alpha}$,
$S = \sqrt{1-\bar\alpha}$ (Song et al., 2021, [arXiv 2010.02502](https://arxiv.org/abs/2010.02502)): its mistake is to ask the network about $x_t$
where the step down will ask about $x_p$. The **fixed point** repeats the step until $\hat\varepsilon$ is that of $x_p$ itself, at most 20 times
(Pan et al., 2023, [arXiv 2309.04907](https://arxiv.org/abs/2309.04907)); its residual says how far from solved the worst step is. Nothing is clipped.

**Edit-friendly** and **DPM-Encoder** keep a path: states between $x_n$ and the picture are drawn, each anew
(Huberman-Spiegelglas et al., 2024, [arXiv 2304.06140](https://arxiv.org/abs/2304.06140)) or from the true posterior
(Wu, De la Torre, 2023, [arXiv 2210.05559](https://arxiv.org/abs/2210.05559)), and each step down is solved for the noise
$z = (x_s - \mu(x_t))/\sigma$ that makes it land there. Walking down with the same $z$ gives the picture back whatever the network is, and any seed
will do. So the code is $x_n$ and *all* $z$, a picture's worth of numbers for every step, not $x_n$ alone; the swap test
shows how little of it is in $x_n$.

**Like noise** means that all six statistics lie where 95 % of true noise has them together, found by simulation; the bands in the table are for each
one alone. Inverted codes fail first where the picture is flat; a **warm start** replaces the lowest steps by one jump of true noise
(Staniszewski et al., 2024, [arXiv 2410.23530](https://arxiv.org/abs/2410.23530)), which mends the statistics and costs accuracy.

On a large latent model the same happens in the latent picture, and guidance makes DDIM inversion worse.
"""
AT = ("all noise, n = T", "the dial's n")
MARKUP = (
    '<div class="columns"></div><div class="table"></div><div class="charts"><div class="errors"></div><div class="variance"></div>'
    '<div class="correlation"></div></div><div class="swap"></div>'
)


class IsAnEmbedding(Tab):
    """Five columns, the table of statistics, error against steps, the kept z, and the swap test.

    Args:
        second: picture B, for the swap test.
    """

    title, how = "Is x_T an embedding?", HOW
    asked = "Is x_T not an embedding of the picture? Do two seeds give it two embeddings?"
    answer = (
        "Noise that is drawn knows nothing of the picture. Inversion finds an x_T that leads back, but it is not noise like "
        "any other. And once the path down is kept, every x_T leads back: the path is the code."
    )
    leads = "One picture can have many codes. Can one noisy picture have come from two pictures?"
    kind = Embedding
    uses = ("n", "first", "per_level", "listed")
    body = ("embed", MARKUP)

    def __init__(self, second: Second):
        self.second = second

    def controls(self) -> None:
        """Where the codes are taken, the steps, the warm start, which codes."""
        with gr.Row(elem_classes="own"):
            self.at = RawRadio(label="Codes at", choices=list(AT), value=AT[0], elem_id="embed-at", min_width=340)
            self.steps = slider("steps", value=20, minimum=2, maximum=100, elem_id="embed-steps", min_width=200)
            self.warm = slider("warm", step=0.02, maximum=0.5, elem_id="embed-warm", min_width=200)
        self.methods = choices("methods", elem_id="embed-methods")

    def layout(self) -> None:
        """The tab's widgets, and the strip for the second picture."""
        super().layout()
        with gr.Accordion("Another picture B for the swap test", open=False, elem_id="swap"):
            self.second.add_strip("swap-strip")

    @property
    def own(self) -> list[Any]:
        """Where, steps, warm start, which codes, and picture B."""
        return [self.at, self.steps, self.warm, self.methods, self.second.portrait]

    @property
    def changes(self) -> list[Any]:
        """Choosing where or which, letting a slider go."""
        return [self.at.input, self.methods.input, self.steps.release, self.warm.release]

    @staticmethod
    def ask(s: Settings, at: Any, steps: Any, warm: Any, methods: Any, second: Any) -> Embedding:
        """At all noise the dial does not count."""
        if at not in AT:
            raise ExperimentError(f"The codes are those at one of: {', '.join(AT)}.")
        n, seeds = s.model.schedule.T if at == AT[0] else s.n, s.seeds(PER_LEVEL.accept(s.per_level))
        return Embedding(s.model.name, s.picture, n, seeds, steps, methods, warm, named(second), **s.told)

    @staticmethod
    def stand(e: Embedding, model: Model) -> Stand:
        """At all noise the dial stays where it is."""
        whole = e.n == model.schedule.T
        rail = {**({} if whole else {"n": e.n}), **seeds_stand(e.seeds, "per_level")}
        return Stand(rail, (AT[0] if whole else AT[1], e.steps, e.warm, list(e.methods), e.other))

    def work(self, e: Embedding, model: Model, given: Any) -> Iterator[tuple[Any, Any]]:
        """Yields (sentence, None) after every network call and last (sentence, columns)."""
        text = f"Finding {counted(len(e.methods), 'kind')} of codes with {counted(min(e.n, e.steps), 'step')}, and going back from each."
        for item in service.stream(e, model, given):
            if isinstance(item, EmbeddingResult):
                yield self.words(item), embed_view.columns(item)
            else:
                yield views.running(item, text), gr.skip()
