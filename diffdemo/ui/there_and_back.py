"""The tab "There and back": one picture, many seeds, and what each x_n leads back to. Layout and wiring; the work is in handlers.py."""

from typing import Any

import gradio as gr

from diffdemo.experiment import RoundTrip
from diffdemo.lab import RoundTripResult
from diffdemo.models import Model
from diffdemo.ui import handlers, views
from diffdemo.ui.widgets import RawNumber, Upload, choice, html, slider, told

HOW = r"""
Noise is added in one stroke, $x_n = \sqrt{\bar\alpha_n}\,x_0 + \sqrt{1-\bar\alpha_n}\,\varepsilon$, with the $\varepsilon$ that the seed names.
Then the network is asked, at falling levels $n$, how much of $x_n$ is noise, and each answer takes the picture one step down:
$x_{n'} = \sqrt{\bar\alpha_{n'}}\,\hat x_0 + \sqrt{1-\bar\alpha_{n'}-\sigma^2}\,\hat\varepsilon + \sigma z$, with
$\hat x_0 = (x_n - \sqrt{1-\bar\alpha_n}\,\hat\varepsilon)/\sqrt{\bar\alpha_n}$ and $\sigma = 0$ unless eta is above 0
(Song, Meng, Ermon, 2021, eqs. 9, 12 and 16, [arXiv 2010.02502](https://arxiv.org/abs/2010.02502)).

**Came back** (teal, ✓) means: of the original and 10,000 other pictures, the original is the nearest to the reconstruction, pixel by pixel.
**Changed** (orange, ≠) means another is nearer. The number beside it is how many of the attributes one can see in the original
(hair style, hair colour, mouth, hat, …) were kept, read by matching the layers the faces are drawn from. The thicker a line, the more was kept.

At n = 1000 the picture is not quite gone: 0.6 % of its amplitude is left. *Start: noise* (under Advanced) begins from pure Gaussian noise instead.
On a large model the same happens; there the picture is usually coded first, the schedule keeps more of it at the end, and *nearest* would be judged
by features rather than pixels.
"""

CLAMP = "(n) => [Number.isFinite(n) ? Math.min({T}, Math.max(0, Math.round(n))) : 0]"
LANE = {"concurrency_id": "model", "concurrency_limit": 1}


class ThereAndBack:
    """The tab's widgets and their events.

    Args:
        model: the model shown.
        result: the finished result the page opens with.
    """

    def __init__(self, model: Model, result: RoundTripResult):
        self.model = model
        self.portrait_value = views.portrait(result.experiment.picture, result.x0)
        self.opening = handlers.finished(result, self.portrait_value)
        with gr.Row(elem_id="page"):
            with gr.Column(elem_id="rail", scale=0):
                self._rail(result.experiment)
            with gr.Column(elem_id="main"):
                self._main()
        self._wire()

    def _rail(self, trip: RoundTrip) -> None:
        T = self.model.schedule.T
        self.portrait = html("portrait", '<div class="portrait"></div>', "rail", self.portrait_value)
        strip = [handlers.choose_face(self.model, seed) for seed in handlers.EXAMPLES]
        self.examples = html("examples", '<div class="examples" role="group" aria-label="Example pictures"></div>', "rail", strip)
        self.another = gr.Button("Another random face", size="sm", elem_id="another")
        with gr.Accordion("Your own picture", open=False):
            self.upload = Upload(
                label="A file, or paste from the clipboard", sources=["upload", "clipboard"], type="pil", image_mode=None,
                format="png", height=140, buttons=[], elem_id="upload",
            )  # fmt: skip
        self.n = slider("n", value=trip.n, maximum=T, elem_id="dial")
        template = '<div class="marks"></div><dl class="rows"></dl>'
        self.readouts = html("readouts", template, "rail", views.readouts(self.model, trip.n))
        with gr.Row(elem_id="runs"):
            self.run = gr.Button("Run", variant="primary", elem_id="run", min_width=80)
            self.stop = gr.Button("Stop", variant="stop", elem_id="stop", min_width=80)
        with gr.Row():
            self.first = RawNumber(label=handlers.FIRST.label, value=trip.seeds[0], precision=0, minimum=0, elem_id="first", min_width=90)
            self.dice = gr.Button("Dice", size="sm", elem_id="dice", min_width=60, scale=0)
        self.count = slider("seeds", label=handlers.COUNT.label, value=len(trip.seeds), elem_id="count")
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            self.steps = slider("steps", maximum=200, value=trip.steps, elem_id="steps")
            self.eta = slider("eta", step=0.05, elem_id="eta")
            self.solver, self.spacing, self.start = choice("solver"), choice("spacing"), choice("start")

    def _main(self) -> None:
        gr.Markdown("## Does it come back?", elem_id="question")
        sentence, found = self.opening
        template = (
            '<p class="text" role="status" aria-live="polite"></p><p class="note"></p>'
            '<div class="bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100"><div class="fill"></div></div>'
        )
        self.sentence = html("sentence", template, "rail", sentence)
        self.map = html("map", '<div class="map-host"></div><div class="map-detail"></div>', "map", found)
        with gr.Accordion("How this is computed", open=False):
            gr.Markdown(HOW, latex_delimiters=[{"left": "$", "right": "$", "display": False}])

    @property
    def inputs(self) -> list[Any]:
        """The widgets that describe an experiment, in the order the handlers take them."""
        return [self.portrait, self.n, self.first, self.count, self.steps, self.eta, self.solver, self.spacing, self.start]

    def _wire(self) -> None:
        model, quiet = self.model, {"api_visibility": "private", "show_progress": "hidden"}
        work = told(handlers.work, model)
        outputs = [self.sentence, self.map]
        readings = {"fn": told(handlers.read_dial, model), "inputs": self.n, "outputs": self.readouts, "queue": False, **quiet}
        clamp = CLAMP.format(T=model.schedule.T)
        gr.on([self.n.release, self.n.input], **readings, js=clamp, trigger_mode="always_last")
        runs = [gr.on([self.run.click, self.n.release], work, self.inputs, outputs, trigger_mode="always_last", **quiet, **LANE)]
        sources = [
            (self.examples.select, told(handlers.choose_example, model), None, self.portrait),
            (self.another.click, told(handlers.random_face, model), None, self.portrait),
            (self.upload.input, told(handlers.choose_upload, model), self.upload, self.portrait),
            (self.dice.click, told(handlers.throw_dice), None, self.first),
            (self.readouts.select, told(handlers.choose_landmark), None, self.n),
        ]
        for event, choose, inputs, output in sources:
            chosen = event(choose, inputs, output, queue=False, **quiet)
            if output is self.n:
                chosen = chosen.success(**readings)
            runs.append(chosen.success(work, self.inputs, outputs, **quiet, **LANE))
        self.stop.click(handlers.stopped, self.sentence, self.sentence, cancels=runs, queue=False, **quiet)
