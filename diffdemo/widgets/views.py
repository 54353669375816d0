"""What all tabs show, as plain data: the sentence of a run, at every stage of it."""

import os
from dataclasses import replace
from typing import Any

from diffdemo.lab.prepare import Ready
from diffdemo.lab.progress import Progress
from diffdemo.lab.runner import Runner
from diffdemo.models import duration
from diffdemo.report.presenter import Presenter, animated

Sentence = dict[str, Any]

# In the words for a forum; the browser knows where the page and its card are.
LINK = "{link}"
CARD = "{card}"
WAITING: Sentence = {"text": "Computing …", "note": ""}
UNASKED_SECONDS = 60  # that a run may take which nobody asked for by pressing Run


def running(progress: Progress, text: str, pictured: int | None = None) -> Sentence:
    """Return the sentence while the network works.

    Args:
        progress: how far it is.
        text: what it does.
        pictured: the step whose pictures the page shows, this update included; 0 where it shows
            none of this run yet, None where nobody knows.
    """
    left = progress.seconds / progress.done * (progress.total - progress.done)
    note = f"Step {progress.done} of {progress.total}, about {max(left, 0.1):.1f} s left."
    found = {"text": text, "note": note, "done": progress.done, "total": progress.total}
    return found if pictured is None else {**found, "pictured": pictured}


def finished(presenter: Presenter, ready: Ready) -> Sentence:
    """Return the sentence of a finished run, with its link and what can be saved."""
    e = presenter.experiment
    return {
        "text": presenter.sentence(),
        "note": f"{presenter.note()} In {ready.model.engine}.",
        "link": e.to_query(),
        "told": presenter.sentence_for_others(),
        "markdown": presenter.markdown(LINK, CARD),
        "film": animated(type(e)),
        "space": os.environ.get("SPACE_ID", ""),
        "query": query(ready.experiment),
    }


def query(experiment: Any) -> str:
    """Write an experiment as a link does, whatever the weights."""
    return str(replace(experiment, revision="").to_query())


def answers(sentence: object, experiment: Any) -> bool:
    """Whether the sentence on the page is that of an experiment."""
    return isinstance(sentence, dict) and sentence.get("query") == query(experiment)


def too_long(ready: Ready, runner: Runner) -> Sentence | None:
    """Return what to say instead of a run that takes long and that nobody asked for, else None."""
    price = runner.price(ready)
    if price.seconds < UNASKED_SECONDS:
        return None
    about = f"This takes about {duration(price.seconds)} on this machine."
    return {
        "text": f"{about} Press Run to start it; fewer seeds and steps take less.",
        "note": f"{price.calls:,} network calls of {ready.model.name}.",
    }


def stopped(sentence: object) -> Sentence | None:
    """Return the sentence after Stop, from the one on the page; None where nothing was running."""
    if not isinstance(sentence, dict):
        return None
    done = sentence.get("done")
    total = sentence.get("total")
    if type(done) is not int or type(total) is not int:
        return None
    text = f"Stopped after step {done} of {total}.{_still_shown(sentence, done)}"
    return {"text": text, "note": ""}


def _still_shown(sentence: Sentence, done: int) -> str:
    """Say what the page shows of a run that was stopped; "" where nobody knows."""
    step = sentence.get("pictured")
    if type(step) is not int or not 0 <= step <= done:
        return ""
    if step == 0:
        return " Nothing of this run is shown yet."
    return f" The pictures show what the model expected after step {step}."
