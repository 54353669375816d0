"""What all tabs share: a question, the sentence that answers it, the picture that proves it, and how it is computed."""

import math
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import gradio as gr

from diffdemo import report, service
from diffdemo.experiment import Experiment
from diffdemo.fields import FIELDS, by_hash
from diffdemo.lab import Progress
from diffdemo.models import Model, duration
from diffdemo.ui import links, views
from diffdemo.ui.controls import RAIL, Settings, Stand, settings
from diffdemo.ui.shelf import Models
from diffdemo.ui.widgets import bar, html

SENTENCE = f'<p class="text" role="status" aria-live="polite"></p><p class="note"></p><div class="share"></div>{bar("Progress")}'
PATIENCE = 60  # seconds that a run may take, roughly, without having been asked for by Run
LINK = "{link}"  # stands for the link in the words for a forum; the browser knows where the page is
WAITING = {"text": "Computing …", "note": ""}


class Tab:
    """One tab of the page; a subclass names its experiment and says how a run is shown. What it shows is computed when it is first opened."""

    title: ClassVar[str]
    how: ClassVar[str]
    asked: ClassVar[str]  # in the words of the thread
    answer: ClassVar[str]  # whatever the picture and the model
    leads: ClassVar[str]  # to the next tab
    n: ClassVar[int] = FIELDS["n"].default  # of the example that it opens with, with T = 1000
    kind: ClassVar[type[Experiment]]
    uses: ClassVar[tuple[str, ...]]  # of the rail, by name in Settings; model and picture, and prompt and guidance where there are any, all do
    body: ClassVar[tuple[str, str]]  # the script in static/ and the markup it fills
    updates: ClassVar[int] = 10  # pictures are sent at most this often while a run works
    pause: ClassVar[float] = 0.6  # seconds between two yields at least: each takes from the run, as does drawing it; Stop waits for so long at most

    def layout(self) -> None:
        """Build the tab's widgets inside the current gr.Tab."""
        script, markup = self.body
        gr.Markdown(f"## {self.kind.question}", elem_classes="question")
        self.controls()
        self.sentence = html("sentence", SENTENCE, "rail", WAITING, elem_id=f"{self.kind.kind}-sentence")
        self.shown = html(script, markup, script, None)
        with gr.Accordion("How this is computed", open=False):
            gr.Markdown(self.how, latex_delimiters=[{"left": "$", "right": "$", "display": False}])

    def lead(self, following: str) -> None:
        """Build the line at the end that leads to the tab of that title."""
        html("leads", '<p class="leads"></p>', "answer", {"text": self.leads, "title": following}, elem_id=f"{self.kind.kind}-leads")

    def controls(self) -> None:
        """Build the widgets that only this tab needs, between question and sentence; none by default."""

    @classmethod
    def place(cls) -> str:
        """The id of its place on the page."""
        return f"{cls.kind.kind}-tab"

    @property
    def own(self) -> list[Any]:
        """The widgets whose values belong to this tab's experiment beside the rail's, in the order `ask` takes them."""
        return []

    @property
    def changes(self) -> list[Any]:
        """The listeners (`widget.release`, say) of its own widgets after which the tab is to be run."""
        return []

    @property
    def outputs(self) -> list[Any]:
        """The widgets that a run writes."""
        return [self.sentence, self.shown]

    @staticmethod
    def ask(s: Settings, *own: Any) -> Experiment:
        """The experiment that the rail and the raw values of the tab's own widgets ask for.

        Raises:
            DiffdemoError: a value is impossible.
        """
        raise NotImplementedError

    @staticmethod
    def stand(e: Any, model: Model) -> Stand:
        """How the controls stand for an experiment of this model, so that `ask` reads it back from them; prompt and guidance aside."""
        raise NotImplementedError

    @classmethod
    def experiment(cls, models: Models, values: tuple) -> Experiment:
        """The experiment that raw values describe: RAIL of the rail, in the order of Settings, then the tab's own.

        Raises:
            DiffdemoError: a value is impossible.
        """
        return cls.ask(settings(models, values[:RAIL]), *values[RAIL:])

    @classmethod
    def standing(cls, e: Any, model: Model) -> Stand:
        """How the controls stand for an experiment, so that `experiment` reads it back from them.

        Args:
            e: of the tab's kind.
            model: the one it names.
        """
        found = cls.stand(e, model)
        return replace(found, rail={**found.rail, "prompt": e.prompt, "guidance": e.guidance})

    def run(self, models: Models, values: tuple) -> Iterator[tuple[Any, Any]]:
        """Run what the rail's raw values describe; yields (sentence, body), the last sentence with the query it answers.

        Raises:
            DiffdemoError: a value is impossible.
        """
        asked, model = self.experiment(models, values), models[values[0]]
        given = views.given_picture(values[1]) if by_hash(asked.picture) else None
        yield from self.follow(asked, model, given)

    def follow(self, asked: Any, model: Model, given: Any) -> Iterator[tuple[Any, Any]]:
        """Run an experiment; yields (sentence, body), the last sentence with the query it answers.

        Raises:
            DiffdemoError: it cannot be run with this model.
        """
        for sentence, found in self.work(asked, model, given):
            yield sentence if "total" in sentence else {**answered(sentence, asked, model), "fresh": True}, found

    def arrive(self, models: Models, sentence: Any, values: tuple) -> Iterator[tuple[Any, Any]]:
        """Run only if what the tab shows is not what the rail describes, and if nobody has to wait long for what nobody asked for."""
        asked, model = self.experiment(models, values), models[values[0]]
        if isinstance(sentence, dict) and sentence.get("query") == query(asked):
            yield gr.skip(), gr.skip()
        elif wait := long(asked, model):
            yield wait, None
        else:
            yield from self.run(models, values)

    def restore(self, own: tuple, model: Model) -> dict[Any, Any]:
        """Widget → what it shows for the own values of an experiment, see `controls.Stand`."""
        return {widget: links.control(widget, value, model) for widget, value in zip(self.own, own, strict=True)}

    def work(self, asked: Any, model: Model, given: Any) -> Iterator[tuple[Any, Any]]:
        """Run an experiment; yields (sentence, body) after every network call, for Stop takes effect at a yield."""
        raise NotImplementedError

    def words(self, result: Any) -> dict[str, Any]:
        """What the sentence component shows of a finished run: the words, the link, and what can be taken away."""
        return {
            "text": report.sentence(result), "note": report.note(result), "link": result.experiment.to_query(), "told": report.told(result),
            "markdown": report.markdown(result, LINK), "film": report.animated(result.experiment), "space": os.environ.get("SPACE_ID", ""),
        }  # fmt: skip

    def paced(self, items: Iterator[Any], begun: bool = False) -> Iterator[tuple[Any, bool]]:
        """The items that are worth sending, the last always, each with whether its pictures are due too; what is quick passes unseen.

        Args:
            items: of a run.
            begun: something of it was sent already, just now.
        """
        sent, shown = time.monotonic() if begun else -math.inf, -math.inf
        for item in items:
            if not isinstance(item, Progress):
                yield item, True
                continue
            now = time.monotonic()
            if now - sent < self.pause:
                continue
            due = (item.done - shown) * self.updates >= item.total
            sent, shown = now, item.done if due else shown
            yield item, due


def long(asked: Any, model: Model) -> dict[str, Any] | None:
    """What to say instead of running something that takes more than PATIENCE; None where it does not."""
    price = service.price(asked, model)
    if price.seconds < PATIENCE:
        return None
    text = f"This takes about {duration(price.seconds)} on this machine. Press Run to start it; fewer seeds and steps take less."
    return {"text": text, "note": f"{price.calls:,} network calls of {model.name}."}


def answered(sentence: dict[str, Any], asked: Any, model: Model) -> dict[str, Any]:
    """The sentence of a finished run, with the query it answers and what computed it."""
    return {**sentence, "query": query(asked), "note": f"{sentence['note']} In {model.engine}."}


def query(asked: Any) -> str:
    """The link's query of an experiment, whatever the weights."""
    return replace(asked, revision="").to_query()
