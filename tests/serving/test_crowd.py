"""Many visitors at once: each gets its own result, and whoever stops or leaves frees the queue."""

import hashlib
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, islice

import pytest
import torch
from doubles import Watched
from gradio_client import Client
from gradio_client.utils import QueueError
from pages import served
from served import run_app
from visitors import ENDED, BusyError, Visitor, arguments, queue_run, run_inputs

from diffdemo import lab
from diffdemo.diffusion.noise import noise
from diffdemo.experiments import Curve, RoundTrip
from diffdemo.lab.experiment import Experiment, experiment_from_query
from diffdemo.lab.prepare import prepare
from diffdemo.models import load_model
from diffdemo.report.pictures import uris
from diffdemo.report.presenter import present
from diffdemo.serving.stories import Stories
from diffdemo.widgets.tab import Tab

CROWD = 50
WAITING = 24  # runs that may wait, beside the one under way
BUSY = "Queue is full! Please try again."  # what gradio_client makes of a 503
STEPS = 20  # network calls of one run of the watched page
TIMEOUT = 120  # seconds, on busy cores
WAYS_TO_START = ["round_trip", "run.click"]  # the endpoint, and the page's Run


@pytest.fixture(scope="module")
def server():
    with run_app() as found:
        yield found


def digest(pictures: list[str]) -> str:
    return hashlib.sha256("".join(pictures).encode()).hexdigest()


def reconstructions(e: Experiment, model) -> str:
    """Return the digest of the reconstructions of a run in this process."""
    return digest(present(lab.run(e, model)).as_json()["reconstructions"])


def experiment_of(answer: dict) -> Experiment:
    """Return the experiment that an answer names, whatever the weights."""
    return replace(experiment_from_query(answer["query"]), revision="")


def trip_of(number: int) -> RoundTrip:
    """Return what one visitor of the crowd runs; nobody else has this picture, n or seeds."""
    seeds = range(9 * number, 9 * number + 9)
    return RoundTrip(picture=f"face:{100 + number}", n=300 + number, seeds=seeds, steps=2)


def run_trip(client: Client, number: int) -> tuple[RoundTrip, dict | str, float]:
    """Return a visitor's experiment, its answer or the words of a busy server, and the seconds."""
    e = trip_of(number)
    began = time.monotonic()
    try:
        answer = client.predict(*arguments(e), api_name="/round_trip")
    except QueueError as error:
        answer = str(error)
    return e, answer, time.monotonic() - began


def test_each_of_fifty_visitors_gets_its_own_result_or_hears_that_the_page_is_busy(server):
    connect = partial(Client, verbose=False, httpx_kwargs={"timeout": TIMEOUT})
    with ThreadPoolExecutor(CROWD) as pool:
        clients = list(pool.map(connect, [server.url] * CROWD))
        began = time.monotonic()
        found = list(pool.map(run_trip, clients, range(CROWD)))
    seconds = time.monotonic() - began
    done = [(e, answer) for e, answer, _ in found if answer != BUSY]
    assert len(done) >= WAITING + 1
    check_answers(done)
    assert "error" not in server.log().lower()
    assert "Traceback" not in server.log()
    assert run_trip(clients[0], CROWD)[1] != BUSY
    times = sorted(took for _, answer, took in found if answer != BUSY)
    p50 = times[len(times) // 2]
    p95 = times[int(0.95 * len(times))]
    rate = len(times) / seconds
    print(f"\n{len(times)} of {CROWD} visitors served in {seconds:.1f} s, the others told busy")
    print(f"{rate:.2f} runs a second, p50 {p50:.1f} s, p95 {p95:.1f} s")


def check_answers(done: list[tuple[RoundTrip, dict]]) -> None:
    """Check that each answer is that of its experiment; some are computed again here."""
    model = load_model("faces", "cpu")
    for e, answer in done:
        assert experiment_of(answer) == e
        assert answer["seeds"] == list(e.seeds)
        x0 = prepare(e, model).x0
        x_n = model.schedule.add_noise(x0, noise(e.seeds, model.shape), e.n)
        assert digest(answer["x_n"]) == digest(uris(x_n))
    assert len({digest(answer["reconstructions"]) for _, answer in done}) == len(done)
    with one_thread():
        for e, answer in random.sample(done, 5):
            assert digest(answer["reconstructions"]) == reconstructions(e, model)


@contextmanager
def one_thread():
    """Compute as the server does: the same machine then gives the same bytes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run_and_end_at_random(url: str, number: int, count: int) -> None:
    """Run one thing after the other; end each at a random moment, in one of the ways there are."""
    chance = random.Random(number)
    visitor = Visitor(url)
    for _ in range(count):
        first = chance.randrange(10**6)
        n = chance.randrange(30, 1001)
        name = chance.choice(WAYS_TO_START)
        way = chance.choice(["cancel", "cancel", "leave", "leave", "stay"])
        event = queue_run(visitor, name, RoundTrip(n=n, seeds=range(first, first + 9), steps=8))
        with visitor.messages() as messages:
            seen = list(islice(messages, chance.randrange(6)))  # a short run may have ended by then
            if way == "cancel":
                visitor.cancel(name, event)
            if way != "leave":
                assert any(message["msg"] == ENDED for message in chain(seen, messages))


def run_crowd(url: str, number: int, count: int) -> None:
    """Let four visitors run and stop `count` runs in all."""
    with ThreadPoolExecutor(4) as pool:
        numbers = range(number, number + 4)
        list(pool.map(run_and_end_at_random, [url] * 4, numbers, [count // 4] * 4))


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_runs_stopped_at_random_leave_no_memory_no_thread_and_a_free_queue(server, count):
    run_crowd(server.url, 0, 20)  # what is loaded once is loaded then
    memory = server.memory()
    threads = server.threads()
    logged = len(server.log())
    began = time.monotonic()
    run_crowd(server.url, 100, count)
    seconds = time.monotonic() - began
    e = RoundTrip(n=77, seeds=(5, 6), steps=3)
    assert experiment_of(Visitor(server.url).run("round_trip", *arguments(e))[0]) == e
    log = server.log()[logged:]
    outcomes = {word: log.count(f"round-trip {word}") for word in ("done", "stopped", "failed")}
    growth = server.memory() - memory
    print(f"\n{count} runs in {seconds:.1f} s: memory {growth / 1e6:+.1f} MB, {outcomes}")
    assert growth < 50e6
    # Threads of the web server come and go; one left behind by each run would be many.
    assert server.threads() <= threads + 4
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def page():
    """A page that is served from this process: its address, its watched network, the exhibit."""
    from diffdemo.page import exhibit

    model = load_model("faces", "cpu")
    network = Watched(model.unet)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exhibit, "load_model", lambda *_: replace(model, network=network))
        built = exhibit.build("faces", "cpu")
    with pytest.MonkeyPatch.context() as patch:
        # No network call but those that the visitors of a test ask for.
        patch.setattr(Stories, "_compute", lambda stories: None)
        with served(built) as url:
            yield url.rstrip("/"), network, built


@pytest.fixture
def watched(page):
    """The address and the network before each test: nothing was asked, nothing is cached."""
    url, network, exhibit = page
    exhibit.runner.cache.clear()
    network.timesteps.clear()
    network.seconds = 0.0
    network.broken_at = None
    yield url, network
    network.gate.set()


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("name", WAYS_TO_START)
@pytest.mark.parametrize("way", ["cancel", "leave"])
def test_at_most_one_network_call_follows_a_stop_and_the_queue_is_free(watched, caplog, name, way):
    url, network = watched
    e = RoundTrip(n=900, seeds=(0, 1), steps=STEPS)
    # The page does not show faster steps, so a visitor could not stop between them.
    network.seconds = 0.1 if name == "round_trip" else 1.2 * Tab.pause
    visitor = Visitor(url)
    with caplog.at_level("INFO", "diffdemo"):
        event = queue_run(visitor, name, e)
        with visitor.messages() as messages:
            assert next(one for one in messages if one["msg"] == "process_generating")["success"]
            calls = len(network.timesteps)
            if way == "cancel":
                visitor.cancel(name, event)
        wait_for(lambda: caplog.messages)
    assert caplog.messages[0].startswith("round-trip stopped")
    assert len(network.timesteps) <= calls + 1 < STEPS
    answer = Visitor(url).run("round_trip", *arguments(replace(e, n=7)))[0]
    assert answer["seeds"] == [0, 1]


def test_runs_are_computed_in_the_order_in_which_they_were_queued(watched):
    url, network = watched
    network.gate.clear()
    visitors = [Visitor(url) for _ in range(6)]
    trips = [RoundTrip(n=n, seeds=(0,), steps=2) for n in (500, 700, 600, 400, 800, 300)]
    for visitor, e in zip(visitors, trips, strict=True):
        queue_run(visitor, "round_trip", e)
    network.gate.set()
    for visitor, e in zip(visitors, trips, strict=True):
        assert f"n={e.n}&" in visitor.end()["output"]["data"][0]["query"]
    assert network.timesteps[::2] == [e.n - 1 for e in trips]


def test_an_experiment_that_many_run_at_once_and_again_is_computed_once(watched):
    url, network = watched
    e = RoundTrip(n=411, seeds=(3, 4, 5), steps=4)
    network.gate.clear()
    visitors = [Visitor(url) for _ in range(7)]
    for visitor in visitors[:4]:
        queue_run(visitor, "round_trip", e)
    for visitor in visitors[4:]:
        queue_run(visitor, "run.click", e)
    network.gate.set()
    found = [visitor.end()["output"]["data"][0] for visitor in visitors]
    assert len({digest(answer["reconstructions"]) for answer in found[:4]}) == 1
    assert {answer["text"] for answer in found[4:]} == {found[0]["sentence"]}
    again = Visitor(url).run("round_trip", *arguments(e))[0]
    assert again["sentence"] == found[0]["sentence"]
    assert network.timesteps == [410, 307, 205, 102]


def test_an_error_in_one_run_leaves_the_runs_before_and_after_it_alone(page, watched):
    url, network = watched
    model = page[2].models.first
    network.broken_at = 611
    trips = [RoundTrip(n=n, seeds=(8, 9), steps=3) for n in (310, 612, 320)]
    network.gate.clear()
    visitors = [Visitor(url) for _ in trips]
    for visitor, e in zip(visitors, trips, strict=True):
        queue_run(visitor, "round_trip", e)
    network.gate.set()
    before, broken, after = (visitor.end() for visitor in visitors)
    assert not broken["success"]
    assert "data" not in broken["output"]
    for e, ended in ((trips[0], before), (trips[2], after)):
        found = ended["output"]["data"][0]["reconstructions"]
        assert digest(found) == reconstructions(e, model)
    network.broken_at = None
    assert Visitor(url).run("round_trip", *arguments(trips[1]))[0]["seeds"] == [8, 9]


def test_the_open_tab_and_the_link_of_one_visitor_are_not_those_of_another(watched):
    url, network = watched
    e = Curve(levels=(0, 250), seeds=(1,), steps=2)
    trip = RoundTrip(n=123, seeds=(5,), steps=1)
    one = Visitor(url)
    other = Visitor(url)
    at_first = other.client.get("/config").json()["components"]
    one.call(".load", None, link=e.to_query())
    other.run("notice.select", None)
    assert not network.timesteps
    assert "curve" in one.run("notice.select", None)[1]["query"]
    assert network.timesteps
    ran = other.run("run.click", *run_inputs(other, trip))
    assert ran[0]["query"].startswith("v=1&kind=round-trip")
    assert open_second_tab(one) == 1
    ran = one.run("run.click", *run_inputs(one, trip, tab=1))
    assert "query" not in ran[0]
    assert ran[1]["query"].startswith("v=1&kind=curve")
    assert other.client.get("/config").json()["components"] == at_first


def open_second_tab(visitor: Visitor) -> int:
    """Return the number of the tab that is open then."""
    return visitor.call("tabitem.select", *visitor.inputs("tabitem.select"), which=1)[0]


def test_the_open_tab_runs_also_for_a_visitor_whom_gradio_has_forgotten(watched, page, monkeypatch):
    url, _, exhibit = page
    monkeypatch.setattr(exhibit.demo.state_holder, "capacity", 2)
    visitor = Visitor(url)
    tab = open_second_tab(visitor)
    for _ in range(3):
        Visitor(url).call(".load", None)
    trip = RoundTrip(n=210, seeds=(6,), steps=1)
    ran = visitor.run("run.click", *run_inputs(visitor, trip, tab))
    assert ran[1]["query"].startswith("v=1&kind=curve")


def test_a_full_queue_says_so_at_once_and_the_page_goes_on(watched):
    url, network = watched
    network.gate.clear()
    visitors = [Visitor(url) for _ in range(WAITING + 1)]
    trips = [RoundTrip(n=100 + k, seeds=(0,), steps=2) for k in range(len(visitors))]
    events = [
        queue_run(visitor, "round_trip", e) for visitor, e in zip(visitors, trips, strict=True)
    ]
    with pytest.raises(BusyError, match=r"(?i)^[^\n]{0,120}(full|busy)[^\n]{0,120}$"):
        queue_run(Visitor(url), "round_trip", RoundTrip())
    with pytest.raises(QueueError, match=BUSY):
        Client(url, verbose=False).predict(api_name="/round_trip")
    answer = Visitor(url).call("model.input", "faces", {"n": 400})
    assert [one for one in answer if isinstance(one, dict) and one.get("n") == 400]
    for k in range(WAITING, 0, -1):
        visitors[k].cancel("round_trip", events[k])
    network.gate.set()
    assert visitors[0].end()["success"]
    assert set(network.timesteps) == {99, 49}
    e = RoundTrip(n=50, seeds=(0,), steps=1)
    assert Visitor(url).run("round_trip", *arguments(e))[0]["seeds"] == [0]
