"""The tab "There and back": one picture, many seeds, and what each x_n leads back to."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from diffdemo import images, service
from diffdemo.experiment import RoundTrip
from diffdemo.lab import RoundTripResult
from diffdemo.models import Model
from diffdemo.report.pictures import uris
from diffdemo.terms import counted
from diffdemo.ui import handlers, round_trip_view, views
from diffdemo.ui.controls import SAMPLER, Settings, Stand, sampler_stand, seeds_stand
from diffdemo.ui.tab import Tab

HOW = r"""
Noise is added in one stroke, $x_n = \sqrt{\bar\alpha_n}\,x_0 + \sqrt{1-\bar\alpha_n}\,\varepsilon$, with the $\varepsilon$ that the seed names.
Then the network is asked, at falling levels $n$, how much of $x_n$ is noise, and each answer takes the picture one step down:
$x_{n'} = \sqrt{\bar\alpha_{n'}}\,\hat x_0 + \sqrt{1-\bar\alpha_{n'}-\sigma^2}\,\hat\varepsilon + \sigma z$, with
$\hat x_0 = (x_n - \sqrt{1-\bar\alpha_n}\,\hat\varepsilon)/\sqrt{\bar\alpha_n}$ and $\sigma = 0$ unless eta is above 0
(Song, Meng, Ermon, 2021, eqs. 9, 12 and 16, [arXiv 2010.02502](https://arxiv.org/abs/2010.02502)). That is DDIM; the page starts with
DPM-Solver++ (Lu et al., 2022, [arXiv 2211.01095](https://arxiv.org/abs/2211.01095)), which looks back one step as well: 16 of its steps are as
good as 50 of DDIM. With eta above 0 only DDIM is left. What appears first is a preview of 4 steps.

**Came back** (teal, ✓) means: of the original and 10,000 other pictures, the original is the nearest to the reconstruction, pixel by pixel.
**Changed** (orange, ≠) means another is nearer. The number beside it is how many of the attributes one can see in the original
(hair style, hair colour, mouth, hat, …) were kept, read by a small classifier; of a digit it reads the class. The thicker a line, the more was kept.

At n = 1000 the picture is not quite gone: 0.6 % of its amplitude is left. *Start: noise* (under Advanced) begins from pure Gaussian noise instead.
On a large model the same happens; there the picture is usually coded first, the schedule keeps more of it at the end, and *nearest* would be judged
by features rather than pixels.
"""
SHARPER = 0.75  # of a run, after which its estimates are sharper than the preview


class ThereAndBack(Tab):
    """One picture → many seeds → many x_n → many reconstructions, two linked galleries."""

    title, how = "There and back", HOW
    asked = "I add all 1000 steps of noise, denoise, and get another picture. With 200 to 300 steps I get mine back. Why?"
    answer = (
        "What a few steps leave of a picture is enough to find it again. All of them leave nothing of it, and the way back "
        "then ends at some picture of the kind that the model knows."
    )
    leads = "So it comes back from 250 steps and not from 1000. Where does that end?"
    kind = RoundTrip
    uses = ("n", "first", "count", "listed", "start", *SAMPLER)
    body = ("map", '<div class="map-host"></div><div class="map-detail"></div>')
    updates = 10

    @staticmethod
    def ask(s: Settings, *_: Any) -> RoundTrip:
        """All of the rail but the seeds per level."""
        return RoundTrip(s.model.name, s.picture, s.n, s.seeds(s.count), s.steps, s.eta, s.solver, s.spacing, s.start, **s.told)

    @staticmethod
    def stand(e: RoundTrip, model: Model) -> Stand:
        """All of the rail but the seeds per level."""
        return Stand({"n": e.n, "start": e.start, **sampler_stand(e), **seeds_stand(e.seeds, "count")})

    def work(self, trip: RoundTrip, model: Model, given: Any) -> Iterator[tuple[Any, Any]]:
        """Yields (sentence, map): a preview where it is worth its time, then one after every network call, and last the finished ones."""
        picture = handlers.choose(model, trip.picture, given)
        text = f"Adding {counted(trip.n, 'step')} of noise with {counted(len(trip.seeds), 'seed')}, and going back."
        noises: list[str] = []
        if early := service.preview(trip, model, given):
            noises = uris(early.x_n)
            yield views.previewed(early, text), round_trip_view.partial_map(early, trip, noises, picture)
        for item, due in self.paced(service.stream(trip, model, given), begun=early is not None):
            if isinstance(item, RoundTripResult):
                yield self.finished(item)
            elif due and not (early and item.done < SHARPER * item.total):
                noises = noises or uris(item.x_n)
                yield views.running(item, text), round_trip_view.partial_map(item, trip, noises, picture)
            else:
                yield views.running(item, text), gr.skip()

    def finished(self, result: RoundTripResult) -> tuple[dict, dict]:
        """The sentence and the map of a finished run."""
        return self.words(result), round_trip_view.full_map(result, views.portrait(result.experiment.picture, images.shown(result.x0)[0]))
