"""The way through the page: three questions, and numbered steps inside each."""

from collections.abc import Sequence
from itertools import groupby

import gradio as gr

from diffdemo.page import answer
from diffdemo.report.presenter import Row
from diffdemo.widgets.components import html
from diffdemo.widgets.tab import Tab

MARKUP = '<nav class="way" aria-label="Experiments"></nav>'


def navigation(elem_id: str, tabs: Sequence[Tab]) -> gr.HTML:
    """Make a way through the page.

    Args:
        elem_id: "way", above all tabs but the first, or "contents", at the end of the page.
        tabs: in the order of the page.
    """
    return html("navigation", MARKUP, "navigation", groups(tabs), elem_id=elem_id)


def groups(tabs: Sequence[Tab]) -> list[Row]:
    """Return the groups with their steps: number, title, question and place on the page."""
    steps = [
        {
            "group": tab.group,
            "number": number,
            "title": tab.title,
            "question": tab.kind.question,
            "place": tab.place(),
        }
        for number, tab in enumerate(tabs, 1)
    ]
    last = {"title": answer.TITLE, "question": answer.QUESTION, "place": answer.PLACE}
    steps.append({"group": tabs[-1].group, "number": len(steps) + 1, **last})
    return [
        {"title": title, "steps": list(inside)}
        for title, inside in groupby(steps, key=lambda step: step["group"])
    ]
