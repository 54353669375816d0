"""Put the page together: header, model switch, rail, tabs, endpoints, theme and launch settings."""

import atexit
import math
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read by gradio when it is imported

import gradio as gr
from PIL import Image
from starlette.middleware import Middleware

from diffdemo import health, lab, service
from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.fields import FIELDS, by_hash
from diffdemo.guard import KEPT, Guard
from diffdemo.models import load_model
from diffdemo.ui import answer, endpoints, files, handlers, links, look, opening, views
from diffdemo.ui.controls import RAIL
from diffdemo.ui.could_have_been import CouldHaveBeen
from diffdemo.ui.embedding import IsAnEmbedding
from diffdemo.ui.no_return import NoReturn
from diffdemo.ui.others import Others
from diffdemo.ui.paths_split import PathsSplit
from diffdemo.ui.rail import Rail, default_trip, only_used
from diffdemo.ui.second import Second
from diffdemo.ui.shelf import Models
from diffdemo.ui.tab import Tab, answered, long
from diffdemo.ui.there_and_back import ThereAndBack
from diffdemo.ui.turns import take_turns
from diffdemo.ui.two_pictures import TwoPictures
from diffdemo.ui.widgets import QUIET, STATIC, RawNumber, RawRadio, Uploaded, html, told
from diffdemo.unfurl import Unfurl

TITLE = "diffdemo: what noise does in a diffusion model"
HEADER = """
<h1>diffdemo</h1>
<p>Add noise to a picture, let a diffusion model take it away again, and see what comes back. It answers
<a href="https://discuss.huggingface.co/t/23593">a thread that asked how diffusion works</a>, with a real model, on this machine.</p>
"""
SPACE_LIMIT = 120.0  # seconds
QUEUE = 24  # runs that may wait
SESSIONS = 100  # visitors whose last values Gradio keeps, a quarter of a megabyte each, also for every call of the API
FILES: dict[str, Any] = {"concurrency_id": "files", "concurrency_limit": 2}
LANE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}


def build_demo(name: str = "faces", device: str | None = None, limit: float | None = None) -> gr.Blocks:
    """The page for a model and the bundled ones, with its queue set up; `warm` puts a finished result on it.

    Args:
        name: the model shown first: a bundled name, or a local diffusers folder.
        device: a torch device name; None chooses.
        limit: seconds, as estimated before, that one run may take; None is SPACE_LIMIT on a Space and none elsewhere.

    Raises:
        ModelError: the model cannot be loaded.
    """
    _uploads()
    service.limits.seconds = limit or (SPACE_LIMIT if "SPACE_ID" in os.environ else math.inf)
    first = load_model(name, device)
    models = Models(first, device)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, KEPT)) as demo:
        demo.exhibit = Page(models, demo)
        gr.Markdown(footer(), elem_id="footer")
        endpoints.publish(models, LANE)
    return take_turns(demo.queue(max_size=QUEUE, default_concurrency_limit=1, api_open=False))


def warm(demo: gr.Blocks) -> None:
    """Once the page is served: check the bundled models, and put a finished first result on it; who came before that waits for the same work.

    Raises:
        ModelError: the check failed.
    """
    health.start("cpu")
    page: Page = demo.exhibit  # type: ignore[attr-defined]
    tab, trip, model = page.tabs[0], default_trip(page.models), page.models.first
    assert isinstance(tab, ThereAndBack)
    sentence, tab.shown.value = tab.finished(service.run(trip, model))  # nobody looks yet, so without a preview
    tab.sentence.value = answered(sentence, trip, model)
    demo.config = demo.get_config_file()  # what is sent to whoever comes from now on


def ahead(demo: gr.Blocks) -> threading.Thread:
    """Once the page is warm: begin to compute what its other tabs open with, while nobody else runs anything."""
    page: Page = demo.exhibit  # type: ignore[attr-defined]
    return opening.ahead(page.tabs[1:], page.rail, page.models)


@cache
def _uploads() -> Path:
    """The folder of this process for what visitors upload, removed at its end; nobody else writes to it, so it can be bounded."""
    if parent := os.environ.get("GRADIO_TEMP_DIR"):
        Path(parent).mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="diffdemo-", dir=parent)
    os.environ["GRADIO_TEMP_DIR"] = folder  # read by Gradio when a component is made
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def footer() -> str:
    """Licence, source and credits."""
    space = os.environ.get("SPACE_ID", "")
    source = f"[Source](https://huggingface.co/spaces/{space}/tree/main), " if space else ""
    faces = '"Pixel Art" by [DiceBear](https://www.dicebear.com/styles/pixel-art/), CC0 1.0'
    return f"{source}Apache-2.0. Faces after {faces}; digits from MNIST, CC BY-SA 3.0."


class Page:
    """Rail and tabs, and what connects them: one run at a time, of the open tab.

    Args:
        models: those the page can switch between.
        demo: the page as Gradio sees it, under construction.
    """

    def __init__(self, models: Models, demo: gr.Blocks):
        trip = default_trip(models)
        self.models, self.demo = models, demo
        self.curve, self.belief, self.second = NoReturn(), CouldHaveBeen(), Second(models)
        pair = TwoPictures(self.second)
        self.tabs: list[Tab] = [ThereAndBack(), self.curve, IsAnEmbedding(self.second), pair, self.belief, PathsSplit()]
        with gr.Row(elem_id="top"):
            gr.HTML(HEADER, elem_id="header")
            switch = RawRadio(label="Model", choices=models.names, value=models.first.name, elem_id="model", min_width=160)
        self.rail, self.others = Rail(models, switch), Others(models)
        self.others.layout()
        with gr.Row(elem_id="page"):
            with gr.Column(elem_id="rail", scale=0):
                self.rail.layout(trip)
            with gr.Column(elem_id="main"):
                self.notice = html("notice", '<p class="notice" role="alert"></p>', "rail", links.said(""))
                with gr.Tabs() as self.strip:
                    places = [self._tab(number, tab) for number, tab in enumerate(self.tabs)]
                    with gr.Tab(answer.TITLE, id=len(self.tabs), render_children=True, elem_id=answer.PLACE):
                        answer.layout(self.tabs)
        self.open = RawNumber(0, visible=False)  # the number of the open tab; the browser holds it, for Gradio forgets the State of old sessions
        self.pending = gr.State(None)  # an experiment from a link or a file, and its picture: it runs next, whatever the controls say by then
        self.wanted = gr.State(None)  # an experiment from a link whose model is not loaded yet
        self.files = html(
            "files", '<div class="veil">Drop a picture here; one that was saved on this page brings its experiment along.</div>', "files", None
        )
        self._wire(places)

    def _tab(self, number: int, tab: Tab) -> gr.Tab:
        with gr.Tab(tab.title, id=number, render_children=True, elem_id=tab.place()) as place:
            tab.layout()
            tab.lead([*(each.title for each in self.tabs), answer.TITLE][number + 1])
        return place

    def _wire(self, places: list[gr.Tab]) -> None:
        rail, outputs, collected = self.rail, [*(widget for tab in self.tabs for widget in tab.outputs), self.pending], self.belief.collected
        inputs, sentences = [*rail.inputs, *(widget for tab in self.tabs for widget in tab.own)], [tab.sentence for tab in self.tabs]
        run: dict[str, Any] = {"fn": told(self._run), "inputs": [self.open, *inputs], "outputs": outputs, **QUIET, **LANE}
        refresh: dict[str, Any] = {**run, "fn": told(self._refresh), "inputs": [self.pending, self.open, *sentences, *inputs]}
        runs: list[Any] = [rail.run.click(trigger_mode="always_last", **run), rail.n.release(trigger_mode="always_last", **refresh)]
        chosen = [
            *rail.wire([self.curve.shown]),
            *self.second.wire(rail.switch, rail.portrait),
            *(listen(lambda: None, None, None, queue=False, **QUIET) for tab in self.tabs for listen in tab.changes),
            self.belief.add.click(told(handlers.collect), [collected, rail.portrait], collected, queue=False, **QUIET),
            self.belief.clear.click(lambda: [], None, collected, queue=False, **QUIET),
        ]
        runs += [event.success(**refresh) for event in chosen]
        state = [self.open, self.pending, rail.switch, rail.n]
        for number, place in enumerate(places):
            opened = place.select(told(self._opened, number), state, [self.open, rail.n, rail.readouts], queue=False, **QUIET)
            runs.append(opened.success(**refresh))
        self._wire_links(refresh, runs)
        rail.stop.click(_stopped, sentences, sentences, cancels=runs, queue=False, **QUIET)

    def _wire_links(self, refresh: dict[str, Any], runs: list[Any]) -> None:
        """What comes from outside: links and dropped pictures; and what goes out: files."""
        rail = self.rail
        shown = [*rail.inputs, *rail.suited, *self.second.strips, *(widget for tab in self.tabs for widget in tab.own)]
        others = self.others
        outputs = [*dict.fromkeys(shown), self.strip, self.open, self.pending, self.wanted, self.notice, others.fold, others.name, others.card]
        self.demo.load(told(self._arrive), self.tabs[0].sentence, outputs, queue=False, **QUIET)
        uploaded = rail.upload.input(told(self._take), [rail.switch, rail.portrait, rail.upload], outputs, queue=False, **QUIET)
        dropped = self.files.select(told(self._drop), [rail.switch, rail.portrait], outputs, queue=False, **QUIET)
        follow = self.notice.select(**{**refresh, "fn": told(self._follow), "inputs": self.pending})
        switched = rail.switch.input(told(self._switch), [rail.switch, rail.n], outputs, queue=False, **QUIET)
        loaded = others.wire(rail.switch).success(told(self._moved), [rail.switch, rail.n, self.wanted], outputs, queue=False, **QUIET)
        runs += [follow, *(event.success(**refresh) for event in (uploaded, dropped, switched, loaded))]
        first = self.tabs[0]
        first.shown.select(told(files.save_tile, self.models), [first.sentence, rail.portrait], self.files, **FILES, **QUIET)
        for tab in self.tabs:
            tab.sentence.select(told(files.save, self.models), [tab.sentence, rail.portrait], self.files, **FILES, **QUIET)

    def _arrive(self, sentence: Any, request: gr.Request) -> dict[Any, Any]:
        """What a visitor's link asks for; one sentence where it cannot be had, beside the first example."""
        begun = isinstance(sentence, dict) and bool(sentence.get("query"))
        try:
            e = links.asked(dict(request.query_params))
            if e and self.models.missing(e.model):
                return {**self._first(begun, links.needs(e.model)), self.wanted: e, **self.others.offer(e.model)}
            return self._restored(e, opened=0) if e else self._first(begun, "")
        except DiffdemoError as error:
            return self._first(begun, links.broken(error))

    def _first(self, begun: bool, text: str) -> dict[Any, Any]:
        """The notice above the first example, which is run unless the page came with its result."""
        if begun:
            return {self.notice: links.said(text)}
        trip = default_trip(self.models)
        return {**self._restored(trip, opened=0), self.notice: links.said(text, run=trip.kind)}

    def _take(self, name: Any, portrait: Any, upload: Uploaded | None) -> dict[Any, Any]:
        """A visitor's picture, or the experiment that it brings along."""
        if upload and upload.experiment:
            return self._restored(upload.experiment, upload.given)
        if upload is None:
            return {self.notice: links.said("")}
        chosen = handlers.choose_upload(self.models, name, upload.picture)
        return {self.rail.portrait: chosen, self.notice: links.said(links.mistaken(portrait, chosen))}

    def _switch(self, name: Any, n: Any) -> dict[Any, Any]:
        """Widget → what it shows for a model: its first examples, and nothing collected."""
        model = self.models[name]
        level = min(FIELDS["n"].accept(n), model.schedule.T)
        first = {self.rail.portrait: handlers.choose(model, handlers.examples(model)[0]), self.belief.collected: []}
        return {**first, **self.rail.suit(model, level), **self.second.suit(model), self.notice: links.said("")}

    def _moved(self, name: Any, n: Any, wanted: Any) -> dict[Any, Any]:
        """The same after a model was loaded; the link that wanted it is followed."""
        return self._restored(wanted) if wanted and wanted.model == name else self._switch(name, n)

    def _drop(self, name: Any, portrait: Any, event: gr.EventData) -> dict[Any, Any]:
        return self._take(name, portrait, files.dropped(event))

    def _restored(self, e: Any, given: Image.Image | None = None, opened: int | None = None) -> dict[Any, Any]:
        """Widget → what it shows for an experiment, with its tab opened, unless it is `opened` already, and itself pending.

        Raises:
            DiffdemoError: it cannot be run here.
        """
        model = self.models[e.model]
        here = given is not None or not by_hash(e.picture)
        lab.suited(e, model)  # refuses what cannot be run; the portraits below refuse pictures
        picture = handlers.choose(model, e.picture, given) if here else links.portrait(model, e.picture)
        number = self._number(e)
        stand = self.tabs[number].standing(e, model)
        opening = {} if number == opened else {self.strip: gr.Tabs(selected=number)}  # a tab that is opened anew is built anew
        return {
            **opening, **self.second.suit(model), **self.rail.restore(e, stand.rail, model, picture), **self.tabs[number].restore(stand.own, model),
            self.open: number, self.pending: (e, given and model.fitted(given)) if here else None, self.wanted: None,
            self.notice: links.said(links.remark(e, model, here), run=e.kind if here else ""),
        }  # fmt: skip

    def _opened(self, number: int, before: Any, pending: Any, name: Any, n: Any) -> tuple[Any, Any, Any]:
        """The number of the tab that was opened, and where the dial stands now; a link has opened its tab, and set the dial, itself."""
        model = self.models[name]
        moved = n if pending or before == number else opening.dial(self.tabs, self.tabs[number], model, n)
        return (number, gr.skip(), gr.skip()) if moved == n else (number, moved, views.readouts(model, moved))

    def _run(self, number: int, *values: Any) -> Iterator[tuple]:
        yield from self._placed(number, self._tab_at(number).run(self.models, self._asked(number, values)))

    def _follow(self, pending: Any) -> Iterator[tuple]:
        """Run what a link or a file brought."""
        if pending:
            e, given = pending
            number, model = self._number(e), self.models[e.model]
            wait = long(e, model)
            yield from self._placed(number, iter([(wait, None)]) if wait else self.tabs[number].follow(e, model, given))

    def _refresh(self, pending: Any, number: int, *values: Any) -> Iterator[tuple]:
        """Run the open tab unless it shows what the controls say, or an experiment is about to run that they do not show yet."""
        if pending:
            return
        tab = self._tab_at(number)
        sentences, values = values[: len(self.tabs)], values[len(self.tabs) :]
        arrived = tab.arrive(self.models, sentences[number], self._asked(number, values))
        yield from ((*shown, gr.skip()) for *shown, _ in self._placed(number, arrived))  # what has become pending meanwhile stays so

    def _tab_at(self, number: Any) -> Tab:
        """The tab that the browser says is open.

        Raises:
            ExperimentError: there is none of that number.
        """
        if type(number) is not int or not 0 <= number < len(self.tabs):
            raise ExperimentError("There is no such tab.")
        return self.tabs[number]

    def _number(self, e: Any) -> int:
        """The number of an experiment's tab."""
        return next(number for number, tab in enumerate(self.tabs) if tab.kind is type(e))

    def _asked(self, number: int, values: tuple) -> tuple:
        """The raw values that describe one tab's experiment: the rail's and its own."""
        first = RAIL + sum(len(tab.own) for tab in self.tabs[:number])
        return *values[:RAIL], *values[first : first + len(self.tabs[number].own)]

    def _placed(self, number: int, shown: Iterator[tuple]) -> Iterator[tuple]:
        """What a tab shows, in its place among the outputs of all tabs; nothing is pending any more."""
        before, after = [gr.skip()] * 2 * number, [gr.skip()] * 2 * (len(self.tabs) - number - 1)
        for sentence, found in shown:
            yield (*before, sentence, found, *after, None)


def _stopped(*sentences: Any) -> list[Any]:
    found = [views.stopped(sentence) for sentence in sentences]
    if not any(found):
        gr.Info("Nothing was running.")
    return [new or gr.skip() for new in found]


def _has_mcp() -> bool:
    """Gradio's extra for MCP is installed, in the version that it works with."""
    try:
        return version("mcp").startswith("1.")
    except PackageNotFoundError:
        return False


def launch_options() -> dict[str, Any]:
    """Settings for `Blocks.launch` that the page relies on."""
    return {
        "theme": look.theme(),
        "css": look.css() + only_used({tab.place(): tab.uses for tab in Tab.__subclasses__()} | {answer.PLACE: ()}),
        "ssr_mode": False,
        "show_error": False,
        "max_file_size": "8mb",
        "run_history": False,
        "enable_monitoring": False,
        "footer_links": ["api"],
        "pwa": False,
        "state_session_capacity": SESSIONS,
        "mcp_server": _has_mcp(),
        "app_kwargs": {
            "middleware": [
                Middleware(Guard, uploads=_uploads()),
                Middleware(health.Health),
                Middleware(Unfurl, script=(STATIC / "first.js").read_text()),
            ]
        },
    }
