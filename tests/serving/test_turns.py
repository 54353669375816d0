import asyncio
from threading import Event
from types import SimpleNamespace

import gradio as gr
import pytest
from doubles import finished
from gradio import queueing
from visitors import ENDED, BusyError, Visitor, config

from diffdemo.serving.turns import start_even_if_cancelled, take_turns

served = []
gate = Event()
begun = Event()


def work(name: str) -> str:
    begun.set()
    gate.wait(30)
    served.append(name)
    return name


def at_once(number: int) -> int:
    return number


@pytest.fixture(scope="module")
def url():
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.api(work, api_name="work", concurrency_id="model", concurrency_limit=1)
        gr.api(at_once, api_name="at_once", concurrency_id="at once", concurrency_limit=None)
    take_turns(demo.queue(max_size=24, api_open=False))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    config.cache_clear()
    yield url.rstrip("/")
    demo.close(verbose=False)
    config.cache_clear()


@pytest.fixture(autouse=True)
def closed_gate():
    served.clear()
    gate.clear()
    begun.clear()
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


def told(visitor: Visitor, until: int) -> list[tuple[int, float]]:
    """What a visitor who waits hears, up to so many runs before: runs before, and seconds."""
    heard = []
    with visitor.messages() as messages:
        for one in messages:
            if one["msg"] == "estimation":
                heard.append((one["rank"], one["rank_eta"]))
                if one["rank"] == until:
                    return heard
    return heard


def test_a_visitor_who_waits_hears_how_many_runs_are_before_and_for_how_long(url):
    gate.set()
    Visitor(url).run("work", "measured")
    gate.clear()
    first, greedy, modest = (Visitor(url) for _ in range(3))
    first.queue("work", "first")
    for _ in range(3):
        greedy.queue("work", "greedy")
    modest.queue("work", "modest")
    heard = told(modest, until=2)
    assert [before for before, _ in heard] == [2]  # the first, and one of the greedy
    seconds = heard[0][1]
    assert 0 <= seconds < 30
    with greedy.messages() as messages:
        ranks = [next(messages)["rank"] for _ in range(6)]
    assert ranks == [1, 1, 2, 1, 2, 3]  # as each of the three was queued


def test_those_who_wait_behind_a_visitor_who_leaves_hear_that_it_is_sooner(url):
    first, leaves, stays = (Visitor(url) for _ in range(3))
    first.queue("work", "first")
    assert begun.wait(30)
    for name, visitor in (("leaves", leaves), ("stays", stays)):
        visitor.queue("work", name)
    with stays.messages() as heard:
        assert next(heard)["rank"] == 2
        with leaves.messages() as messages:
            next(messages)
        assert next(one for one in heard if one["msg"] == "estimation")["rank"] == 1


def test_what_waits_for_no_run_is_not_refused_when_the_queue_of_runs_is_full(url):
    first = Visitor(url)
    events = [first.queue("work", "one")]
    assert begun.wait(30)
    events += [first.queue("work", "one") for _ in range(24)]
    with pytest.raises(BusyError, match="This page is busy: 24 others are waiting"):
        Visitor(url).queue("work", "two")
    assert Visitor(url).run("at_once", 3) == [3]
    for event in events[1:]:
        first.cancel("work", event)
    gate.set()


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
