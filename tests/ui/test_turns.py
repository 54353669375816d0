import asyncio
from threading import Event
from types import SimpleNamespace

import gradio as gr
import pytest
from doubles import finished
from gradio import queueing
from visitors import Visitor, config

from diffdemo.ui.turns import Begun, take_turns

served, gate = [], Event()


def work(name: str) -> str:
    gate.wait(30)
    served.append(name)
    return name


@pytest.fixture(scope="module")
def url():
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.api(work, api_name="work", concurrency_id="lane", concurrency_limit=1)
    take_turns(demo.queue(max_size=24, api_open=False))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    config.cache_clear()
    yield url.rstrip("/")
    demo.close(verbose=False)


@pytest.fixture(autouse=True)
def fresh():
    served.clear()
    gate.clear()
    yield
    gate.set()


def asked(url: str, order: str) -> None:
    """Visitors named by letters ask in this order while the lane is taken; returns when all are served."""
    first, visitors = Visitor(url), {name: Visitor(url) for name in order}
    first.ask("work", "first")
    for name in order:
        visitors[name].ask("work", name)
    gate.set()
    for name in dict.fromkeys(order):
        with visitors[name].answers() as messages:
            for _ in range(order.count(name)):
                assert next(message for message in messages if message["msg"] == "process_completed")["success"]
    assert served[0] == "first"


@pytest.mark.parametrize(
    ("order", "turns"),
    [("abcd", "abcd"), ("aaaaab", "abaaaa"), ("aaabbc", "abcaba"), ("abababc", "abcabab"), ("aaaa", "aaaa")],
)
def test_visitors_who_wait_take_turns_and_who_asks_for_one_thing_is_served_first_come_first_served(url, order, turns):
    asked(url, order)
    assert "".join(served[1:]) == turns


def test_a_run_that_is_cancelled_before_its_first_step_gives_its_place_back(url, monkeypatch):
    gate.set()
    real = queueing.set_task_name

    def early(task, *names):
        real(task, *names)
        task.cancel()  # as /cancel does; it may come between a task's making and its first step

    monkeypatch.setattr(queueing, "set_task_name", early)
    Visitor(url).ask("work", "cancelled")
    for _ in range(100):
        if not Visitor(url).line.get("/gradio_api/queue/status").json()["queue_size"]:
            break
    monkeypatch.undo()
    assert Visitor(url, patience=10).run("work", "next") == ["next"]


def test_a_coroutine_that_begins_late_is_otherwise_as_it_was():
    done = []

    async def inner(fails: bool) -> int:
        try:
            await asyncio.sleep(0)
            done.append("step")
            if fails:
                raise ValueError("own")
            return 3
        finally:
            done.append("end")

    async def outer() -> None:
        assert await asyncio.create_task(Begun(inner(False))) == 3
        with pytest.raises(ValueError, match="own"):
            await asyncio.create_task(Begun(inner(True)))
        task = asyncio.create_task(Begun(inner(False)))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    finished(outer())
    assert done == ["step", "end", "step", "end", "end"]


def test_a_run_that_is_cancelled_as_it_ends_is_no_error():
    closed = []

    class Iterator:
        async def aclose(self) -> None:
            await asyncio.sleep(0)
            closed.append(self)

    async def both() -> None:
        with gr.Blocks(analytics_enabled=False) as demo:
            pass
        queue, app = take_turns(demo.queue())._queue, SimpleNamespace(iterators={"run": Iterator()}, lock=asyncio.Lock())
        queue.set_server_app(app)
        await asyncio.gather(queue.reset_iterators("run"), queue.reset_iterators("run"))
        assert app.iterators == {}

    finished(both())
    assert len(closed) == 1
