"""The last tab: the thread's questions, answered with the visitor's own runs, ready to be copied into a forum.

The browser remembers what its runs said (static/runs.js), so nothing is asked of the server here.
"""

from collections.abc import Sequence

import gradio as gr

from diffdemo.ui.tab import Tab
from diffdemo.ui.widgets import html

TITLE = "The answer"
PLACE = "answer-tab"  # its id on the page
QUESTION = "So what does noise do?"
INTRODUCTION = "The questions of the thread, and what your own runs say to them: the latest three of each tab, with the links that run them again."
BODY = '<div class="share"></div><div class="answers"></div>'


def layout(tabs: Sequence[Tab]) -> None:
    """Build the tab's widgets inside the current gr.Tab."""
    gr.Markdown(f"## {QUESTION}\n\n{INTRODUCTION}", elem_classes="question")
    html("answer", BODY, "answer", [{"kind": tab.kind.kind, "title": tab.title, "asked": tab.asked, "answer": tab.answer} for tab in tabs])
