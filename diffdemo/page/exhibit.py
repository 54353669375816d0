"""Put the page together: header, tabs, dial, settings, endpoints, and what connects them."""

import math
import os
import secrets
import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from diffdemo.errors import ExperimentError
from diffdemo.lab.experiment import KINDS, Experiment
from diffdemo.lab.fields import by_hash
from diffdemo.lab.prepare import Ready, prepare
from diffdemo.lab.runner import Runner
from diffdemo.models import Model, load_model
from diffdemo.page import answer, dialling, endpoints, links, opening
from diffdemo.page.arrivals import Arrivals
from diffdemo.page.controls import Controls, opening_trip
from diffdemo.page.files import Saver
from diffdemo.page.navigation import navigation
from diffdemo.page.others import OtherModels
from diffdemo.report.portraits import image_of
from diffdemo.serving import health
from diffdemo.serving.guard import KEPT_SECONDS
from diffdemo.serving.turns import take_turns
from diffdemo.widgets import views
from diffdemo.widgets.available import Models
from diffdemo.widgets.components import RawNumber, html
from diffdemo.widgets.controls import Settings
from diffdemo.widgets.events import AT_ONCE, ONE_RUN, QUIET, Events, Options, Raw, Raws, safely
from diffdemo.widgets.second_picture import SecondPicture
from diffdemo.widgets.tab import Tab, Updates

TITLE = "diffdemo: what noise does in a diffusion model"
THREAD = "https://discuss.huggingface.co/t/23593"
HEADER = f"""
<a class="skip" href="#tabs">Skip to the experiment</a>
<h1>How much noise can a picture survive?</h1>
<p class="lead">Bury a face in noise, let a diffusion model clean it up, and see who comes out.
Computed by a real model on an ordinary CPU.</p>
<blockquote>“I add 1000 steps of noise, denoise, and get a different picture. With 200 to 300 steps
I get mine back. Why?” <a href="{THREAD}">The thread that asked</a></blockquote>
"""
DROP = (
    '<div class="veil">Drop a picture here; one that was saved on this page brings its '
    "experiment along.</div>"
)
NOTICE = '<p class="notice" role="alert"></p>'
SPACE_LIMIT = 120.0  # seconds that one run may take on a Space
QUEUE = 24  # runs that may wait
TWO_FILES: Options = {"concurrency_id": "files", "concurrency_limit": 2}


class Exhibit:
    """The page: tabs and controls, and what connects them. One run at a time, of the open tab.

    Args:
        models: those the page can switch between.
        runner: runs the experiments.

    Attributes:
        demo: the page as Gradio sees it.
    """

    def __init__(self, models: Models, runner: Runner):
        self.models = models
        self.runner = runner
        self.second = SecondPicture(models)
        tabs = [kind.part("tab").Tab(runner, self.second) for kind in KINDS.values()]
        self.tabs: list[Tab] = tabs
        options: Options = {
            "title": TITLE,
            "analytics_enabled": False,
            "delete_cache": (60, KEPT_SECONDS),
        }
        with gr.Blocks(**options) as self.demo:
            self._layout()
            self._wire()
            gr.Markdown(footer(), elem_id="footer")
            endpoints.publish(models, runner, ONE_RUN)
        self.demo.queue(max_size=QUEUE, default_concurrency_limit=1, api_open=False)
        take_turns(self.demo)

    def _layout(self) -> None:
        self.controls = Controls(self.models)
        self.others = OtherModels(self.models)
        trip = opening_trip(self.models)
        gr.HTML(HEADER, elem_id="header")
        with gr.Row(elem_id="chip"):
            self.controls.picture(trip)
            navigation("way", self.tabs)
        self.notice = html("notice", NOTICE, "notice", links.notice(""))
        with gr.Column(elem_id="picker"):
            self.controls.picker()
        with gr.Tabs(elem_id="tabs") as self.strip:
            self.places = [self._place(number) for number in range(len(self.tabs))]
            options: Options = {"id": len(self.tabs), "elem_id": answer.PLACE}
            with gr.Tab(answer.TITLE, render_children=True, **options):
                answer.layout(self.tabs)
        self.controls.drawer(trip)
        with gr.Column(elem_id="console"):
            self.controls.console(trip)
        navigation("contents", self.tabs)
        self.others.layout()
        # Number of the open tab. The browser holds it: Gradio forgets the State of old sessions.
        self.open = RawNumber(0, visible=False)
        # An experiment from a link or a file, and its picture. It runs next.
        self.pending = gr.State(None)
        # An experiment from a link whose model is not loaded yet.
        self.wanted = gr.State(None)
        self.files = html("files", DROP, "files", None)
        # Where the browser went back or forward to.
        self.history = html("history", "<i></i>", "history", None)

    def _place(self, number: int) -> gr.Tab:
        """Build one tab."""
        tab = self.tabs[number]
        titles = [*(each.title for each in self.tabs), answer.TITLE]
        options: Options = {"id": number, "elem_id": tab.place()}
        with gr.Tab(tab.title, render_children=True, **options) as place:
            tab.layout()
            tab.lead(titles[number + 1])
        return place

    @property
    def inputs(self) -> set[Any]:
        """All controls that describe an experiment, and the number of the open tab."""
        own = [widget for tab in self.tabs for widget in tab.own.values()]
        return {self.open, *self.controls.settings.values(), *own}

    @property
    def sentences(self) -> list[Any]:
        """The sentences of all tabs."""
        return [tab.sentence for tab in self.tabs]

    def _wire(self) -> None:
        controls = self.controls
        outputs = [*self.sentences, *(tab.shown for tab in self.tabs), self.pending]
        run: Options = {
            "fn": safely(self._run),
            "inputs": self.inputs,
            "outputs": outputs,
            **QUIET,
            **ONE_RUN,
        }
        current = {self.pending, *self.sentences, *self.inputs}
        refresh: Options = {**run, "fn": safely(self._refresh), "inputs": current}
        follow: Options = {**run, "fn": safely(self._follow), "inputs": {self.pending}}
        latest: Options = {"trigger_mode": "always_last"}
        runs: Events = [controls.run.click(**latest, **run), controls.n.select(**latest, **refresh)]
        linked = self.notice.select(**latest, **follow)
        runs.append(linked)
        runs += [event.success(**refresh) for event in self._wire_changes()]
        arrivals = Arrivals(self)
        runs += [event.success(**refresh) for event in arrivals.wire(linked)]
        stop: Options = {"fn": _stop, "inputs": self.sentences, "outputs": self.sentences}
        controls.stop.click(**stop, cancels=runs, **AT_ONCE)
        saver = Saver(self.models, self.runner)
        for tab in self.tabs:
            saved: Options = {"inputs": [tab.sentence, controls.portrait], "outputs": self.files}
            tab.sentence.select(safely(saver.save), **saved, **TWO_FILES, **QUIET)
        first = self.tabs[0]
        saved = {"inputs": [first.sentence, controls.portrait], "outputs": self.files}
        first.shown.select(safely(saver.save_tile), **saved, **TWO_FILES, **QUIET)

    def _wire_changes(self) -> Events:
        """Connect the controls; returns the events after which the open tab runs."""
        controls = self.controls
        charts = [tab.shown for tab in self.tabs if tab.script == "chart"]
        events = controls.wire(charts)
        events += self.second.wire(controls.switch, controls.portrait)
        for tab in self.tabs:
            events += tab.wire(controls.portrait)
            events += [listen(lambda: None, None, None, **AT_ONCE) for listen in tab.changes()]
        state = [self.open, self.pending, controls.switch, controls.n]
        shown = [self.open, controls.n]
        for number, place in enumerate(self.places):
            events.append(place.select(safely(self._opened, number), state, shown, **AT_ONCE))
        return events

    def _opened(
        self, number: int, before: object, pending: Raw, name: object, dial: Raw
    ) -> tuple[Any, Any]:
        """Return the number of the tab that was opened, and the dial.

        A link has opened its tab, and set the dial, itself.
        """
        model = self.models[name]
        if pending or before == number:
            return number, gr.skip()
        n = dialling.n_of(dial)
        moved = opening.dial_after_opening(self.tabs, self.tabs[number], model, n)
        if moved == n:
            return number, gr.skip()
        return number, dialling.dial_value(model, moved)

    def experiment(self, tab: Tab, values: Raws) -> tuple[Experiment, Model]:
        """Return the experiment that the controls describe, and its model.

        Args:
            tab: the open tab.
            values: raw values of the controls.

        Raises:
            DiffdemoError: a value is impossible.
        """
        raw = {name: values[widget] for name, widget in self.controls.settings.items()}
        raw["n"] = dialling.n_of(raw["n"])
        settings = Settings.read(self.models, raw)
        own = {name: values[widget] for name, widget in tab.own.items()}
        return tab.experiment(settings, own), settings.model

    def ready(self, tab: Tab, values: Raws) -> Ready:
        """Prepare the experiment that the controls describe; arguments and errors as above."""
        experiment, model = self.experiment(tab, values)
        given = None
        if by_hash(experiment.picture):
            given = image_of(values[self.controls.portrait])
        return prepare(experiment, model, given)

    def _run(self, values: Raws) -> Iterator[Updates]:
        """Run the open tab."""
        tab = self._open_tab(values)
        for updates in _labelled(tab, tab.run(self.ready(tab, values))):
            yield {**updates, self.pending: None}

    def _refresh(self, values: Raws) -> Iterator[Updates]:
        """Run the open tab, unless it shows what the controls describe, or a link runs next."""
        tab = self._open_tab(values)
        ready = None if values[self.pending] else self.ready(tab, values)
        if ready is None or views.answers(values[tab.sentence], ready.experiment):
            yield {tab.sentence: gr.skip()}  # a generator that yields nothing clears its outputs
        else:
            yield from self._unasked(tab, ready)

    def _follow(self, values: Raws) -> Iterator[Updates]:
        """Run the experiment of a link or a file."""
        if not values[self.pending]:
            yield {self.pending: gr.skip()}
            return
        e, given = values[self.pending]
        ready = prepare(e, self.models[e.model], given)
        yield {self.pending: None}  # before it runs: the next one may be set while it does
        yield from self._unasked(self.tab_of(e), ready)

    def _unasked(self, tab: Tab, ready: Ready) -> Iterator[Updates]:
        """Run what nobody asked for by pressing Run, unless it takes long."""
        wait = views.too_long(ready, self.runner)
        if wait:
            yield {tab.sentence: wait, tab.shown: None}
        else:
            yield from _labelled(tab, tab.run(ready))

    def _open_tab(self, values: Raws) -> Tab:
        """Return the tab that the browser says is open.

        Raises:
            ExperimentError: there is none of that number.
        """
        number = values[self.open]
        if type(number) is not int or not 0 <= number < len(self.tabs):
            raise ExperimentError("There is no such tab.")
        return self.tabs[number]

    def tab_of(self, e: Any) -> Tab:
        """Return the tab of an experiment."""
        return next(tab for tab in self.tabs if tab.kind is type(e))

    def warm(self) -> None:
        """Check the bundled models, and put a finished first result on the page.

        Call it once the page is served. Visitors who came before wait for the same work.

        Raises:
            ModelError: the check failed.
        """
        health.start("cpu")
        tab = self.tabs[0]
        ready = prepare(opening_trip(self.models), self.models.first)
        shown = tab.finished(self.runner.run(ready), ready)
        shown[tab.sentence] = {**shown[tab.sentence], "fresh": False}
        for component, value in {**shown, **tab.opened_with(ready)}.items():
            component.value = value
        self.demo.config = self.demo.get_config_file()  # sent to whoever comes from now on

    def precompute(self) -> threading.Thread:
        """Begin to compute what the other tabs open with, while nobody else runs anything."""
        return opening.precompute(self.tabs[1:], self.controls, self.models, self.runner)


def build(name: str = "faces", device: str | None = None, limit: float | None = None) -> Exhibit:
    """Build the page for a model and the bundled ones; `warm` puts a finished result on it.

    Args:
        name: the model shown first: a bundled name, a local diffusers folder, or a Hub id.
        device: a torch device name; None chooses.
        limit: seconds, as estimated before, that one run may take. None is SPACE_LIMIT on a Space
            and no limit elsewhere.

    Raises:
        ModelError: the model cannot be loaded.
    """
    from diffdemo.page.launch import uploads

    uploads()  # before any component is made
    usual = SPACE_LIMIT if "SPACE_ID" in os.environ else math.inf
    models = Models(load_model(name, device), device)
    return Exhibit(models, Runner(limit or usual))


def footer() -> str:
    """Write licence, source and credits."""
    space = os.environ.get("SPACE_ID", "")
    source = f"[Source](https://huggingface.co/spaces/{space}/tree/main), " if space else ""
    faces = '"Pixel Art" by [DiceBear](https://www.dicebear.com/styles/pixel-art/), CC0 1.0'
    return f"{source}Apache-2.0. Faces after {faces}; digits from MNIST, CC BY-SA 3.0."


def _labelled(tab: Tab, updates: Iterator[Updates]) -> Iterator[Updates]:
    """Name the run in its sentences, so that what arrives after Stop is known to be late."""
    name = secrets.token_hex(4)
    for found in updates:
        if tab.sentence in found:
            found[tab.sentence] = {**found[tab.sentence], "run": name}
        yield found


def _stop(*sentences: Any) -> list[Any]:
    """Return the sentences after Stop."""
    found = [_stopped(sentence) for sentence in sentences]
    if not any(found):
        gr.Info("Nothing is running now.")
    return [new or gr.skip() for new in found]


def _stopped(sentence: Any) -> views.Sentence | None:
    """Return the sentence after Stop, which names the run it ended."""
    found = views.stopped(sentence)
    return found and {**found, "stopped": str(sentence.get("run"))}
