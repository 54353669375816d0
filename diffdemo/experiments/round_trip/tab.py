"""The tab "There and back": the stage, with one picture, many x_n, and what each leads back to."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr

from diffdemo.errors import ExperimentError
from diffdemo.experiments.round_trip import RoundTrip, outcomes
from diffdemo.experiments.round_trip.run import PREVIEW_CALLS, RoundTripResult, preview
from diffdemo.experiments.round_trip.words import unfinished
from diffdemo.lab.experiment import Result, experiment_from_query
from diffdemo.lab.fields import by_hash
from diffdemo.lab.prepare import Ready, prepare
from diffdemo.lab.progress import Progress
from diffdemo.models import Model, estimate_seconds
from diffdemo.report.pictures import uris
from diffdemo.report.portraits import image_of, portrait
from diffdemo.report.presenter import Row
from diffdemo.report.words import counted
from diffdemo.widgets import tab, views
from diffdemo.widgets.components import html
from diffdemo.widgets.controls import (
    SAMPLER,
    ControlValues,
    Settings,
    Values,
    sampler_values,
    seed_values,
)
from diffdemo.widgets.events import ONE_RUN, QUIET, Events, Raw, safely, sent

BATCH = 4  # levels that one request may ask for
SHARPER = 0.75  # of a run, after which its estimates are sharper than the preview


class Tab(tab.Tab):
    """The stage: one picture → many seeds → many x_n → many reconstructions, at any n."""

    kind = RoundTrip
    title = "There and back"
    group = "Does it come back?"
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
    picture_first = True
    script = "stage"
    shared = ("outcomes-store",)
    markup = '<div class="scene"></div><div class="detail"></div>'

    def experiment(self, s: Settings, own: Values) -> RoundTrip:
        """Take all of the page's controls but the seeds per level."""
        seeds = s.seeds(s.count)
        return RoundTrip(**s.common, n=s.n, seeds=seeds, start=s.start, **s.sampler)

    def values(self, e: RoundTrip, model: Model) -> ControlValues:
        """Return all of the page's controls but the seeds per level."""
        shared = {"n": e.n, "start": e.start, **sampler_values(e), **seed_values(e.seeds, "count")}
        return ControlValues(shared, {})

    def extras(self) -> None:
        """Build what holds the outcomes at many levels; nothing of it is seen."""
        folder = Path(__file__).parent
        shared = ("outcomes-store",)
        self.outcomes = html("outcomes", "<i></i>", "outcomes", None, shared, folder)

    def wire(self, portrait: gr.HTML) -> Events:
        """Send outcomes when the browser asks for them."""
        # The browser asks for the next levels before Gradio has ended the event of the last.
        options = {"trigger_mode": "multiple", **ONE_RUN, **QUIET}
        self.outcomes.select(safely(self.more), portrait, self.outcomes, **options)
        return []

    def more(self, portrait: Raw, event: gr.EventData) -> Row:
        """Return outcomes of a round trip: at first what is shipped, then the levels asked for.

        Args:
            portrait: that of the page, for a picture that a link names by its hash only.
            event: `query` is the round trip, `levels` those asked for, [] at first.

        Raises:
            DiffdemoError: the browser asked for something else.
        """
        e = experiment_from_query(sent(event, "query"))
        asked = sent(event, "levels")
        if not isinstance(e, RoundTrip) or not isinstance(asked, list) or len(asked) > BATCH:
            raise ExperimentError("There are no such outcomes.")
        given = image_of(portrait) if by_hash(e.picture) else None
        ready = prepare(e, self.second.models[e.model], given)
        if not asked:
            return self.opening(ready)
        rows = [self._level(ready, n) for n in asked]
        return {"key": outcomes.key(e), "rows": rows}

    def opened_with(self, ready: Ready) -> tab.Updates:
        """Return the outcomes of the first example."""
        return {self.outcomes: self.opening(ready)}

    def opening(self, ready: Ready) -> Row:
        """Return what the browser needs to begin with, and the outcomes that are shipped."""
        e = ready.experiment
        found = outcomes.shipped(ready)
        if found is None:
            asked = outcomes.affordable_levels(ready, estimate_seconds(ready.model, 1, 1))
            return {**outcomes.base(ready, asked), "rows": [], "sprite": ""}
        results = [outcomes.at_level(found, place, ready) for place in range(len(found.levels))]
        rows = [outcomes.level_row(result) for result in results]
        body = outcomes.base(ready, found.levels)
        return {**body, "rows": rows, "sprite": outcomes.sprite(e)}

    def _level(self, ready: Ready, n: Raw) -> Row:
        """Run one level."""
        e = replace(ready.experiment, n=n)
        result = self.runner.run(prepare(e, ready.model, ready.given))
        assert isinstance(result, RoundTripResult)
        pictures = outcomes.level_pictures(result, noisy=not outcomes.drawable(ready))
        return {**outcomes.level_row(result), **pictures}

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
            body = self._staged(unfinished(early, e, noises, picture), ready)
            yield {self.sentence: self._previewed(early, ready), self.shown: body}
        items = self.runner.stream(ready)
        pictured = None if early else 0
        for item, due in self.paced(items, begun=early is not None):
            if not isinstance(item, Progress):
                yield self.finished(item, ready)
                continue
            sharper = due and not (early and item.done < SHARPER * item.total)
            pictured = item.done if sharper else pictured
            found = {self.sentence: views.running(item, self.doing(ready), pictured)}
            if sharper:
                noises = noises or uris(item.x_n)
                found[self.shown] = self._staged(unfinished(item, e, noises, picture), ready)
            yield found

    def finished(self, result: Result, ready: Ready) -> tab.Updates:
        """Return what sentence and stage show of a finished run."""
        found = super().finished(result, ready)
        body = {**self._staged(found[self.shown], ready), "said": found[self.sentence]["text"]}
        assert isinstance(result, RoundTripResult)
        for item, count in zip(body["items"], outcomes.counts(result) or (), strict=False):
            item["count"] = count
        return {**found, self.shown: body}

    def _staged(self, body: Row, ready: Ready) -> Row:
        """Add what the stage needs to find its outcomes."""
        e = ready.experiment
        known = {"n": e.n, "key": outcomes.key(e), "query": views.query(e)}
        return {"said": self.doing(ready), **known, **body}

    def _previewed(self, progress: Progress, ready: Ready) -> views.Sentence:
        """Return the sentence under a preview, before the run begins."""
        preview = f"A preview, of {PREVIEW_CALLS} network calls each"
        return {
            "text": self.doing(ready),
            "note": f"{preview}; the run of {progress.total} follows.",
            "done": progress.done,
            "total": progress.total,
        }
