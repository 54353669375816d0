import asyncio
from threading import Event
from types import SimpleNamespace

import gradio as gr
import pytest
from doubles import finished
from gradio import queueing
from visitors import ENDED, Visitor, config

from diffdemo.serving.turns import start_even_if_cancelled, take_turns

served = []
gate = Event()


def work(name: str) -> str:
    gate.wait(30)
    served.append(name)
    return name


@pytest.fixture(scope="module")
def url():
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.api(work, api_name="work", concurrency_id="model", concurrency_limit=1)
    take_turns(demo.queue(max_size=24, api_open=False))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    config.cache_clear()
    yield url.rstrip("/")
    demo.close(verbose=False)


@pytest.fixture(autouse=True)
def closed_gate():
    served.clear()
    gate.clear()
    yield
    gate.set()


@pytest.mark.parametrize(
    ("order", "turns"),
    [
        ("abcd", "abcd"),
        ("aaaaab", "abaaaa"),
        ("aaabbc", "abcaba"),
        ("abababc", "abcabab"),
        ("aaaa", "aaaa"),
    ],
)
def test_visitors_who_wait_take_turns(url, order, turns):
    """Each letter is a visitor; they queue runs in this order while another run is under way."""
    visitors = {name: Visitor(url) for name in order}
    Visitor(url).queue("work", "first")
    for name in order:
        visitors[name].queue("work", name)
    gate.set()
    for name, visitor in visitors.items():
        with visitor.messages() as messages:
            for _ in range(order.count(name)):
                assert next(one for one in messages if one["msg"] == ENDED)["success"]
    assert served == ["first", *turns]


def test_a_run_that_is_cancelled_before_its_first_step_gives_its_place_back(url, monkeypatch):
    gate.set()
    real = queueing.set_task_name

    def cancel_early(task, *names):
        real(task, *names)
        task.cancel()  # as /cancel may do between the making of a task and its first step

    monkeypatch.setattr(queueing, "set_task_name", cancel_early)
    Visitor(url).queue("work", "cancelled")
    for _ in range(100):
        if not Visitor(url).client.get("/gradio_api/queue/status").json()["queue_size"]:
            break
    monkeypatch.undo()
    assert Visitor(url, patience=10).run("work", "next") == ["next"]


async def two_steps(done: list[str], fails: bool = False) -> int:
    try:
        await asyncio.sleep(0)
        done.append("step")
        if fails:
            raise ValueError("own")
        return 3
    finally:
        done.append("end")


def test_a_coroutine_that_starts_even_if_cancelled_returns_and_raises_as_before():
    done = []

    async def run() -> None:
        assert await asyncio.create_task(start_even_if_cancelled(two_steps(done))) == 3
        with pytest.raises(ValueError, match="own"):
            await asyncio.create_task(start_even_if_cancelled(two_steps(done, fails=True)))

    finished(run())
    assert done == ["step", "end", "step", "end"]


def test_a_coroutine_that_is_cancelled_before_its_first_step_still_runs_its_finally():
    done = []

    async def run() -> None:
        task = asyncio.create_task(start_even_if_cancelled(two_steps(done)))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    finished(run())
    assert done == ["end"]


def test_a_run_that_is_cancelled_as_it_ends_is_no_error():
    closed = []

    class Iterator:
        async def aclose(self) -> None:
            await asyncio.sleep(0)
            closed.append(self)

    async def end_twice() -> None:
        with gr.Blocks(analytics_enabled=False) as demo:
            pass
        take_turns(demo.queue())
        app = SimpleNamespace(iterators={"run": Iterator()}, lock=asyncio.Lock())
        demo._queue.set_server_app(app)
        ends = [demo._queue.reset_iterators("run") for _ in range(2)]
        await asyncio.gather(*ends)
        assert app.iterators == {}

    finished(end_twice())
    assert len(closed) == 1
