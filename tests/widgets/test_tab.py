from inspect import signature
from types import SimpleNamespace

import gradio as gr
import pytest

from diffdemo.errors import UNFORESEEN, DiffdemoError
from diffdemo.experiments import RoundTrip
from diffdemo.lab import fields
from diffdemo.lab.prepare import prepare
from diffdemo.lab.progress import Progress
from diffdemo.lab.runner import Runner
from diffdemo.widgets import picking, views
from diffdemo.widgets.components import slider
from diffdemo.widgets.events import safely
from diffdemo.widgets.tab import shown


def items(total):
    """Where a run of so many calls stands, call by call, and its result."""
    return [*(Progress(done, total, 1.0, 0, 0, 0) for done in range(1, total + 1)), "result"]


def test_pictures_are_sent_ten_times_in_a_run(tab_of):
    sent = list(tab_of(RoundTrip).paced(iter(items(60))))
    assert len(sent) == 61
    assert sum(due for _, due in sent[:-1]) == 10
    assert sent[-1] == ("result", True)


def test_a_quick_run_sends_its_first_and_its_last(tab_of):
    tab = tab_of(RoundTrip)
    tab.pause = 1000
    assert [due for _, due in tab.paced(iter(items(60)))] == [True, True]
    assert list(tab.paced(iter(items(60)), begun=True)) == [("result", True)]


def test_a_run_that_takes_long_asks_to_press_run(faces_model, monkeypatch):
    runner = Runner()
    short = prepare(RoundTrip(n=10, seeds=(0,), steps=2), faces_model)
    assert views.too_long(short, runner) is None
    monkeypatch.setattr(views, "UNASKED_SECONDS", 0)
    found = views.too_long(short, runner)
    assert "Press Run to start it" in found["text"]
    assert found["note"] == "2 network calls of faces."


def test_stop_says_where_it_stopped_and_what_is_shown():
    def words(**more):
        return views.stopped({"done": 3, "total": 20, **more})["text"]

    assert words() == "Stopped after step 3 of 20."
    assert words(pictured=0) == "Stopped after step 3 of 20. Nothing of this run is shown yet."
    after = "The pictures show what the model expected after step 2."
    assert words(pictured=2) == f"Stopped after step 3 of 20. {after}"
    for hostile in ("<b>", None, 4, -1, 2.5, True):
        assert words(pictured=hostile) == "Stopped after step 3 of 20."
    for value in (None, {}, {"done": "<b>", "total": 2}, [1]):
        assert views.stopped(value) is None


def test_a_running_sentence_says_which_pictures_are_shown():
    progress = Progress(3, 20, 1.0, 0, 0, 0)
    assert "pictured" not in views.running(progress, "Working.")
    assert views.running(progress, "Working.", 2)["pictured"] == 2


@pytest.mark.parametrize(
    ("value", "bounds"),
    [(50, (1, 100)), (500, (1, 500)), (0, (0, 100)), (1, (1, 100)), (100, (1, 100))],
)
def test_a_slider_stretches_for_what_a_link_brings(faces_model, value, bounds):
    found = shown(slider(fields.STEPS, minimum=1, maximum=100), value, faces_model)
    assert (found["value"], found["minimum"], found["maximum"]) == (value, *bounds)


def test_a_safe_function_keeps_the_rest_of_its_signature(models):
    safe = safely(picking.pick_example, models)
    assert list(signature(safe).parameters) == ["name", "event"]
    assert "event" in safe.__annotations__


def test_every_error_of_a_safe_function_is_one_sentence(caplog):
    def bad(error):
        raise error

    def bad_stream(error):
        yield 1
        raise error

    with pytest.raises(gr.Error, match="First seed"):
        safely(bad)(DiffdemoError("First seed is wrong."))
    with pytest.raises(gr.Error, match="First seed"):
        list(safely(bad_stream)(DiffdemoError("First seed is wrong.")))
    assert caplog.messages == []
    with pytest.raises(gr.Error, match=UNFORESEEN):
        safely(bad)(RuntimeError("secret"))
    assert caplog.messages == ["bad failed"]


def test_the_markup_of_a_tab_comes_from_its_package(tab_of):
    tab = tab_of(RoundTrip)
    assert tab.shown.elem_id == "stage"
    assert SimpleNamespace(place=tab.place()).place == "round-trip-tab"
