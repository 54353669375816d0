"""The tab "What could it have been?": the exact posterior, beside the network's own guess."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from diffdemo.errors import ExperimentError
from diffdemo.experiments.belief import LINE_UP, Belief, BeliefSweep
from diffdemo.experiments.belief.words import flipbook, flipbook_note
from diffdemo.lab import fields
from diffdemo.lab.prepare import Ready
from diffdemo.models import Model
from diffdemo.report.portraits import Portrait, picture_of
from diffdemo.report.presenter import present
from diffdemo.widgets import tab, views
from diffdemo.widgets.components import html
from diffdemo.widgets.controls import ControlValues, Settings, Values, even_levels
from diffdemo.widgets.events import AT_ONCE, safely

FRAMES = 41  # of the flip-book
STRIP = '<div class="examples" role="group" aria-label="Your line-up"></div>'
COLLECT = (
    "Which pictures could it have been? Choose a picture for the page, add it here, choose the "
    "next. With an empty line-up all 10,000 pictures count."
)


class Tab(tab.Tab):
    """Picture, x_n and two guesses, the top candidates; a flip-book that follows the dial."""

    kind = Belief
    title = "What could it have been?"
    group = "What can be known?"
    how = (Path(__file__).parent / "how.md").read_text()
    thread_question = "How sure can the model be?"
    thread_answer = (
        "No surer than the noisy picture allows. After a few noise steps only one picture fits. "
        "After all of them nearly every picture fits as well as any other. The model's guess in a "
        "single step is the average of what still fits, which is why it looks blurred."
    )
    leads = "At 1000 anything is possible, at 0 only one picture. When is it decided?"
    n = 450
    uses = ("n", "first")
    script = "belief"
    markup = (
        '<div class="flow"></div><div class="player"></div><div class="candidates"></div>'
        '<details class="more"><summary>More: how certainty goes, and what is known of each '
        'feature</summary><div class="track"></div><div class="marginals"></div></details>'
    )
    shared = ("lines", "figures")

    def extras(self) -> None:
        """Build the visitor's own line-up."""
        with gr.Accordion("A line-up of your own", open=False, elem_id="own-line-up"):
            gr.Markdown(COLLECT)
            self.own = {"line_up": html("examples", STRIP, "examples", [], elem_id="collected")}
            with gr.Row():
                self.add = gr.Button("Add your picture", size="sm", elem_id="collect")
                self.clear = gr.Button("Use all 10,000 again", size="sm", elem_id="clear")

    def wire(self, portrait: object) -> list[Any]:
        """Connect the buttons of the line-up."""
        collected = self.own["line_up"]
        added = [collected, portrait]
        return [
            self.add.click(safely(collect), added, collected, **AT_ONCE),
            self.clear.click(lambda: [], None, collected, **AT_ONCE),
        ]

    def cleared(self) -> tab.Updates:
        """Collect nothing for another model."""
        return {self.own["line_up"]: []}

    def experiment(self, s: Settings, own: Values) -> Belief:
        """Take the dial and the first seed; with nothing collected, the model's own line-up."""
        line_up = collected_names(own["line_up"])
        return Belief(**s.common, n=s.n, seed=s.first, line_up=line_up)

    def values(self, e: Belief, model: Model) -> ControlValues:
        """Return the dial, the first seed, and the pictures collected."""
        names = e.line_up.split(",") if e.line_up else []
        return ControlValues({"n": e.n, "first": e.seed}, {"line_up": names})

    def run(self, ready: Ready) -> Iterator[tab.Updates]:
        """Yield sentence and flip-book once: the levels of the flip-book, and that of the dial."""
        e = ready.experiment
        model = ready.model
        if model.line_up is None and not e.line_up:
            yield {self.sentence: no_line_up(ready), self.shown: None}
            return
        sweep = BeliefSweep.over(e, even_levels(model, FRAMES))
        found: Any = self.runner.run(replace(ready, experiment=sweep))
        frames = {frame.experiment.n: frame for frame in found.frames}
        if e.n not in frames:
            frames[e.n] = self.runner.run(ready)
        self.runner.cache.put(ready.key, frames[e.n])  # for what is saved of it
        book = [frames[n] for n in sorted(frames)]
        sentence = views.finished(present(frames[e.n]), ready)
        note = f"{flipbook_note(book, found.seconds)} In {model.engine}."
        body = flipbook(book, e.n)
        yield {self.sentence: {**sentence, "note": note, "fresh": True}, self.shown: body}


def no_line_up(ready: Ready) -> views.Sentence:
    """Say that nothing exact is known of a model's pictures, and what can be done."""
    missing = f"There is no line-up of the pictures {ready.model.name} was trained on"
    return {
        "text": f"{missing}, so nobody can say what else it could have been. Collect some pictures "
        "below, and the question is which of them it was.",
        "note": "",
        "query": views.query(ready.experiment),
    }


def collect(collected: object, portrait: object) -> list[Portrait]:
    """Return the visitor's line-up with the picture of the page added, once.

    Raises:
        ExperimentError: there are as many as an experiment takes, or the picture is too large to
            be named in one.
    """
    together = [*_portraits(collected), portrait]
    names = collected_names(together).split(",")
    return [each for place, each in enumerate(together) if names[place] not in names[:place]]


def collected_names(collected: object) -> str:
    """Write the visitor's own line-up, portraits on the page, as an experiment does.

    Raises:
        ExperimentError: the browser sent something else than pictures, or too many.
    """
    names = [fields.PICTURE.accept(picture_of(portrait)) for portrait in _portraits(collected)]
    line_up: str = LINE_UP.accept(",".join(names))
    return line_up


def _portraits(collected: object) -> list[Any]:
    """Return the portraits of the line-up on the page, as the browser sent them."""
    if not isinstance(collected, list | None):
        raise ExperimentError("The line-up on the page is damaged; please load the page again.")
    return collected or []
