"""What all tabs share: a question, the sentence that answers it, the picture that proves it."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr

from diffdemo.lab import fields
from diffdemo.lab.experiment import Experiment, Result
from diffdemo.lab.prepare import Ready
from diffdemo.lab.progress import Progress
from diffdemo.lab.runner import Runner
from diffdemo.models import Model
from diffdemo.report.presenter import Row, present
from diffdemo.widgets import picking, views
from diffdemo.widgets.components import STATIC, html, progress_bar
from diffdemo.widgets.controls import ControlValues, Settings, Values
from diffdemo.widgets.events import Events, Options
from diffdemo.widgets.second_picture import SecondPicture

SENTENCE = (
    f'<p class="text" role="status" aria-live="polite"></p>{progress_bar("Progress")}'
    '<p class="now"></p><div class="below"><details class="share" hidden>'
    '<summary class="button">Share</summary><div class="ways"></div></details>'
    '<details class="details" hidden><summary class="button">Details</summary>'
    '<p class="note"></p></details></div>'
)
TILES = "tiles"  # the script of tabs that have none of their own
LATEX: list[dict[str, str | bool]] = [{"left": "$", "right": "$", "display": False}]
Updates = dict[Any, Any]  # component → what it shows


class Tab:
    """One tab of the page; each experiment's package has one, in its module `tab`.

    Args:
        runner: runs its experiments.
        second: the second picture, for tabs that need one.

    Attributes:
        kind: of its experiments.
        title, group: its name, and the question that its group of tabs shares.
        how: how it is computed, in Markdown.
        thread_question, thread_answer: for the last tab, in the words of the thread.
        leads: a sentence that leads to the next tab.
        n: of the example it opens with, for T = 1000.
        uses: the page's controls it uses, by name in Settings, beside model, picture and prompt.
        script, markup: its script (and style sheet), and the markup that the script fills. Without
            a script of its own, a tab shows the tiles of its result, row by row.
        shared: scripts that its script needs.
        pictures: how often at most a run sends pictures while it works.
        pause: least seconds between two updates of a run. Each update takes time from the run.
        picture_first: whether the picture stands above the sentence.
        own: its own controls, by the name under which `experiment` takes their values.
    """

    kind: ClassVar[type[Experiment]]
    title: ClassVar[str]
    group: ClassVar[str]
    how: ClassVar[str]
    thread_question: ClassVar[str]
    thread_answer: ClassVar[str]
    leads: ClassVar[str]
    n: ClassVar[int] = fields.N.default
    uses: ClassVar[tuple[str, ...]]
    script: ClassVar[str] = TILES
    markup: ClassVar[str] = '<div class="rows"></div>'
    shared: ClassVar[tuple[str, ...]] = ()
    pictures: ClassVar[int] = 10
    pause: ClassVar[float] = 0.6
    picture_first: ClassVar[bool] = False

    def __init__(self, runner: Runner, second: SecondPicture):
        self.runner = runner
        self.second = second
        self.own: dict[str, Any] = {}

    @classmethod
    def place(cls) -> str:
        """Return the id of its place on the page."""
        return f"{cls.kind.kind}-tab"

    def layout(self) -> None:
        """Build the tab inside the current gr.Tab."""
        gr.Markdown(f"## {self.kind.question}", elem_classes="question")
        if not self.picture_first:
            self._sentence()
        self._picture()
        if self.picture_first:
            self._sentence()
        self.controls()
        with gr.Accordion("How this is computed", open=False):
            gr.Markdown(self.how, latex_delimiters=LATEX)
        self.extras()

    def _sentence(self) -> None:
        name = f"{self.kind.kind}-sentence"
        self.sentence = html(
            "sentence", SENTENCE, "sentence", views.WAITING, ("runs",), elem_id=name
        )

    def _picture(self) -> None:
        place = self.script
        folder = Path(str(self.kind.part("tab").__file__)).parent
        if self.script == TILES:
            place = f"{self.kind.kind}-tiles"
            folder = STATIC
        options: Options = {"elem_id": place, "elem_classes": ["part", "shown"]}
        self.shown = html(
            self.script, self.markup, self.script, None, self.shared, folder, **options
        )

    def controls(self) -> None:
        """Build its own controls, below the picture, and list them in `own`."""

    def extras(self) -> None:
        """Build what stands below everything else."""

    def lead(self, following: str) -> None:
        """Build the line at the end that leads to the tab with the title `following`."""
        value = {"text": self.leads, "title": following}
        markup = '<p class="leads"></p>'
        html("leads", markup, "answer", value, ("runs",), elem_id=f"{self.kind.kind}-leads")

    def changes(self) -> list[Any]:
        """Return the listeners, as `widget.release`, of controls after which the tab runs."""
        return []

    def wire(self, portrait: gr.HTML) -> Events:
        """Connect events of its own; returns those after which the tab runs.

        Args:
            portrait: that of the page.
        """
        return []

    def experiment(self, s: Settings, own: Values) -> Experiment:
        """Return the experiment that the controls describe.

        Args:
            s: what the page's controls say.
            own: raw values of its own controls, by name.

        Raises:
            DiffdemoError: a value is impossible.
        """
        raise NotImplementedError

    def values(self, e: Any, model: Model) -> ControlValues:
        """Return the values of the controls that describe an experiment of this model.

        `experiment` reads the same experiment back from them; the prompt is left to the page.
        """
        raise NotImplementedError

    def updates(self, values: ControlValues, model: Model) -> Updates:
        """Return what its own controls show for these values."""
        return {
            self.own[name]: shown(self.own[name], value, model)
            for name, value in values.own.items()
        }

    def cleared(self) -> Updates:
        """Return what its own controls show when the model changes; nothing changes by default."""
        return {}

    def run(self, ready: Ready) -> Iterator[Updates]:
        """Run an experiment; yields what sentence and picture show, last the finished ones."""
        text = self.doing(ready)
        pictured = 0
        for item, due in self.paced(self.runner.stream(ready)):
            if not isinstance(item, Progress):
                yield self.finished(item, ready)
                continue
            body = self.partial(item, ready) if due else None
            pictured = pictured if body is None else item.done
            found = {self.sentence: views.running(item, text, pictured)}
            if body is not None:
                found[self.shown] = body
            yield found

    def doing(self, ready: Ready) -> str:
        """Say what a run does while it works."""
        raise NotImplementedError

    def partial(self, progress: Progress, ready: Ready) -> Row | None:
        """Return what the picture shows while a run works; None leaves it as it is."""
        return None

    def finished(self, result: Result, ready: Ready) -> Updates:
        """Return what sentence and picture show of a finished run."""
        presenter = present(result)
        sentence = {**views.finished(presenter, ready), "fresh": True}
        return {self.sentence: sentence, self.shown: presenter.page()}

    def opened_with(self, ready: Ready) -> Updates:
        """Return what else the page opens with, beside a finished run; nothing by default."""
        return {}

    def paced(
        self, items: Iterator[Progress | Result], begun: bool = False
    ) -> Iterator[tuple[Any, bool]]:
        """Yield the items that are worth sending, each with whether its pictures are due.

        The last is always sent. A run that ends within the first pause sends nothing else.

        Args:
            items: of a run.
            begun: something of the run was sent just now.
        """
        sent_at = time.monotonic() if begun else -math.inf
        pictures_at = -math.inf
        for item in items:
            if not isinstance(item, Progress):
                yield item, True
                continue
            now = time.monotonic()
            if now - sent_at < self.pause:
                continue
            due = (item.done - pictures_at) * self.pictures >= item.total
            sent_at = now
            if due:
                pictures_at = item.done
            yield item, due


def shown(widget: Any, value: Any, model: Model) -> Any:
    """Return how a control shows a value.

    A slider stretches for it, and a portrait shows the picture that an experiment names.
    """
    if isinstance(widget, gr.Slider):
        low = min(widget.minimum, value)
        high = max(widget.maximum, value)
        return gr.update(value=value, minimum=low, maximum=high)
    if isinstance(widget, gr.HTML) and isinstance(value, list):
        return [picking.portrait_of(model, name) for name in value]
    if isinstance(widget, gr.HTML):
        return picking.linked_portrait(model, value)
    return value
