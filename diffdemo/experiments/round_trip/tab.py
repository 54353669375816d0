"""The tab "There and back": one picture, many seeds, and what each x_n leads back to."""

from collections.abc import Iterator
from pathlib import Path

from diffdemo.experiments.round_trip import RoundTrip
from diffdemo.experiments.round_trip.run import PREVIEW_CALLS, preview
from diffdemo.experiments.round_trip.words import unfinished
from diffdemo.lab.prepare import Ready
from diffdemo.lab.progress import Progress
from diffdemo.models import Model
from diffdemo.report.pictures import uris
from diffdemo.report.portraits import portrait
from diffdemo.report.words import counted
from diffdemo.widgets import tab, views
from diffdemo.widgets.controls import (
    SAMPLER,
    ControlValues,
    Settings,
    Values,
    sampler_values,
    seed_values,
)

SHARPER = 0.75  # of a run, after which its estimates are sharper than the preview


class Tab(tab.Tab):
    """One picture → many seeds → many x_n → many reconstructions, in two linked galleries."""

    kind = RoundTrip
    title = "There and back"
    how = (Path(__file__).parent / "how.md").read_text()
    thread_question = (
        "I add all 1000 steps of noise, denoise, and get another picture. "
        "With 200 to 300 steps I get mine back. Why?"
    )
    thread_answer = (
        "What a few steps leave of a picture is enough to find it again. All of them leave "
        "nothing of it, and the way back then ends at some picture of the kind that the model "
        "knows."
    )
    leads = "So it comes back from 250 steps and not from 1000. Where does that end?"
    uses = ("n", "first", "count", "listed", "start", *SAMPLER)
    script = "map"
    markup = '<div class="map-host"></div><div class="map-detail"></div>'

    def experiment(self, s: Settings, own: Values) -> RoundTrip:
        """Take all of the rail but the seeds per level."""
        seeds = s.seeds(s.count)
        return RoundTrip(**s.common, n=s.n, seeds=seeds, start=s.start, **s.sampler)

    def values(self, e: RoundTrip, model: Model) -> ControlValues:
        """Return all of the rail but the seeds per level."""
        rail = {"n": e.n, "start": e.start, **sampler_values(e), **seed_values(e.seeds, "count")}
        return ControlValues(rail, {})

    def doing(self, ready: Ready) -> str:
        """Name the steps and the seeds."""
        e = ready.experiment
        steps = counted(e.n, "step")
        return f"Adding {steps} of noise with {counted(len(e.seeds), 'seed')}, and going back."

    def run(self, ready: Ready) -> Iterator[tab.Updates]:
        """Yield a preview where it is worth its time, then sharper estimates, last the result."""
        e = ready.experiment
        picture = portrait(e.picture, ready.model.fit_pixels(ready.original))
        noises: list[str] = []
        early = preview(ready, self.runner)
        if early:
            noises = uris(early.x_n)
            body = unfinished(early, e, noises, picture)
            yield {self.sentence: self._previewed(early, ready), self.shown: body}
        items = self.runner.stream(ready)
        for item, due in self.paced(items, begun=early is not None):
            if not isinstance(item, Progress):
                yield self.finished(item, ready)
                continue
            found = {self.sentence: views.running(item, self.doing(ready))}
            if due and not (early and item.done < SHARPER * item.total):
                noises = noises or uris(item.x_n)
                found[self.shown] = unfinished(item, e, noises, picture)
            yield found

    def _previewed(self, progress: Progress, ready: Ready) -> views.Sentence:
        """Return the sentence under a preview, before the run begins."""
        preview = f"A preview, of {PREVIEW_CALLS} network calls each"
        return {
            "text": self.doing(ready),
            "note": f"{preview}; the run of {progress.total} follows.",
            "done": progress.done,
            "total": progress.total,
        }
