"""The last tab: the thread's questions, answered by the visitor's own runs, to copy into a forum.

The browser remembers what its runs said (static/runs.js), so the server is not involved.
"""

from collections.abc import Sequence

import gradio as gr

from diffdemo.widgets.components import html
from diffdemo.widgets.tab import Tab

TITLE = "The answer"
PLACE = "answer-tab"  # its id on the page
QUESTION = "So what does noise do?"
INTRODUCTION = (
    "These are the questions of the thread. Below each stands what your own runs said, the latest "
    "three of each tab. A link runs its experiment again."
)
BODY = '<div class="share"></div><div class="answers"></div>'


def layout(tabs: Sequence[Tab]) -> None:
    """Build the tab inside the current gr.Tab."""
    gr.Markdown(f"## {QUESTION}\n\n{INTRODUCTION}", elem_classes="question")
    questions = [
        {
            "kind": tab.kind.kind,
            "title": tab.title,
            "asked": tab.thread_question,
            "answer": tab.thread_answer,
        }
        for tab in tabs
    ]
    html("answer", BODY, "answer", questions, ("runs",))
