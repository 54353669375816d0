"""Tabs in a page of their own, with nothing else on it."""

import gradio as gr
import pytest

from diffdemo.lab.runner import Runner
from diffdemo.widgets.available import Models
from diffdemo.widgets.second_picture import SecondPicture


@pytest.fixture(scope="module")
def models(faces_model):
    return Models(faces_model, "cpu")


@pytest.fixture
def tab_of(models):
    """Make the tab of a kind of experiments, laid out."""

    def make(kind, runner=None):
        with gr.Blocks():
            second = SecondPicture(models)
            tab = kind.part("tab").Tab(runner or Runner(), second)
            tab.layout()
        tab.pause = 0
        return tab

    return make
