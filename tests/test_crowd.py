"""Many visitors at once: nobody gets another's result, whoever stops or leaves frees the lane, and nothing is left behind."""

import hashlib
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, islice

import pytest
import torch
from doubles import Watched
from gradio_client import Client
from gradio_client.utils import QueueError
from pages import launched
from served import served
from visitors import ENDED, BusyError, Visitor, values

from diffdemo import lab, report, service
from diffdemo.experiment import Curve, RoundTrip, experiment_from_query
from diffdemo.models import load_model
from diffdemo.noise import noise
from diffdemo.report.pictures import uris
from diffdemo.ui.tab import Tab

CROWD = 50
BUSY = "Queue is full! Please try again."  # gradio_client's own words for a 503
STEPS = 20  # network calls of one run of the watched page
PATIENCE = 120  # seconds, on busy cores


@pytest.fixture(scope="module")
def server():
    with served() as found:
        yield found


def digest(pictures: list[str]) -> str:
    return hashlib.sha256("".join(pictures).encode()).hexdigest()


def own_trip(number: int) -> RoundTrip:
    """What one visitor of the crowd asks: nobody else has these seeds, this n or this picture."""
    return RoundTrip(picture=f"face:{100 + number}", n=300 + number, seeds=range(9 * number, 9 * number + 9), steps=2)


def asks(client: Client, number: int) -> tuple[RoundTrip, dict | str, float]:
    """What a visitor asked for, what it got, or the words of a busy server, and the seconds that it took."""
    e, began = own_trip(number), time.monotonic()
    try:
        found = client.predict(*values(e), api_name="/round_trip")
    except QueueError as error:
        found = str(error)
    return e, found, time.monotonic() - began


def test_of_fifty_visitors_at_once_each_gets_its_own_result_or_hears_that_the_page_is_busy(server):
    with ThreadPoolExecutor(CROWD) as pool:
        clients = list(pool.map(lambda _: Client(server.url, verbose=False, httpx_kwargs={"timeout": PATIENCE}), range(CROWD)))
        began = time.monotonic()
        found = list(pool.map(asks, clients, range(CROWD)))
    seconds = time.monotonic() - began
    done = [(e, answer) for e, answer, _ in found if answer != BUSY]
    assert len(done) >= 25  # one runs and 24 wait
    check_answers(done)
    assert not [line for line in server.log().splitlines() if "error" in line.lower() or "Traceback" in line]
    assert asks(clients[0], CROWD)[1] != BUSY
    print_figures(sorted(took for _, answer, took in found if answer != BUSY), seconds)


def check_answers(done: list[tuple[RoundTrip, dict]]) -> None:
    """Each names the experiment that was asked and has its noises; some are run again here and compared whole."""
    model = load_model("faces", "cpu")
    for e, answer in done:
        assert replace(experiment_from_query(answer["query"]), revision="") == e
        assert answer["seeds"] == list(e.seeds)
        x_n = model.schedule.add_noise(model.encode(lab.original(e.picture, model)), noise(e.seeds, model.shape), e.n)
        assert digest(answer["x_n"]) == digest(uris(x_n))
    assert len({digest(answer["reconstructions"]) for _, answer in done}) == len(done)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the server: the same machine then gives the same bytes
    for e, answer in random.sample(done, 5):
        assert digest(answer["reconstructions"]) == digest(report.as_json(lab.run(e, model))["reconstructions"])
    torch.set_num_threads(before)


def print_figures(took: list[float], seconds: float) -> None:
    p50, p95 = took[len(took) // 2], took[int(0.95 * len(took))]
    print(f"\n{len(took)} of {CROWD} visitors served in {seconds:.1f} s, the rest told busy: {len(took) / seconds:.2f} runs a second, ", end="")
    print(f"p50 {p50:.1f} s, p95 {p95:.1f} s")


def begins_and_ends(url: str, number: int, count: int) -> None:
    """A visitor who runs one thing after the other and ends each at a random moment, in one of the ways there are."""
    chance, visitor = random.Random(number), Visitor(url)
    for _ in range(count):
        e = RoundTrip(n=chance.randrange(30, 1001), seeds=range(first := chance.randrange(10**6), first + 9), steps=8)
        name, way = chance.choice(["round_trip", "run.click"]), chance.choice(["cancel", "cancel", "leave", "leave", "stay"])
        event = visitor.ask(name, *(values(e) if name == "round_trip" else presses(visitor, e)))
        with visitor.answers() as messages:
            seen = list(islice(messages, chance.randrange(6)))  # a short run may have ended by then
            if way == "cancel":
                visitor.cancel(name, event)
            if way != "leave":
                assert any(message["msg"] == ENDED for message in chain(seen, messages))


def crowd_of(url: str, number: int, count: int) -> None:
    """Four visitors at once, `count` runs in all."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begins_and_ends, [url] * 4, range(number, number + 4), [count // 4] * 4))


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_runs_that_are_stopped_at_random_leave_no_memory_no_thread_and_a_free_lane(server, count):
    crowd_of(server.url, 0, 20)  # what is loaded and kept once
    memory, threads, said = server.rss(), server.threads(), len(server.log())
    began = time.monotonic()
    crowd_of(server.url, 100, count)
    took = time.monotonic() - began
    e = RoundTrip(n=77, seeds=(5, 6), steps=3)
    assert replace(experiment_from_query(Visitor(server.url).run("round_trip", *values(e))[0]["query"]), revision="") == e
    print(f"\n{count} runs in {took:.1f} s: memory {(server.rss() - memory) / 1e6:+.1f} MB, threads {threads} then {server.threads()}")
    print({word: server.log()[said:].count(f"round-trip {word}") for word in ("done", "stopped", "failed")})
    assert server.rss() - memory < 50e6
    assert server.threads() <= threads + 4  # those of the web server come and go; one left behind by each run would be many
    assert "Traceback" not in server.log()[said:]


@pytest.fixture(scope="module")
def page():
    """Where a page is served from this process, its watched network, and the page as Gradio sees it."""
    from diffdemo.ui import page

    model = load_model("faces", "cpu")
    network = Watched(model.unet)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "load_model", lambda *_: replace(model, network=network))
        demo = page.build_demo("faces", "cpu")
    with launched(demo) as url:
        yield url.rstrip("/"), network, demo


@pytest.fixture
def watched(page):
    """The same before each test: nothing asked, nothing kept."""
    url, network, _ = page
    service.results.clear()
    network.asked.clear()
    network.seconds, network.broken_at = 0.0, None
    yield url, network
    network.gate.set()


def wait_for(what, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def presses(visitor: Visitor, e: RoundTrip) -> list:
    """What the page's Run sends for an experiment whose seeds are in a row."""
    sampler = {name: getattr(e, name) for name in ("steps", "eta", "solver", "spacing")}
    return visitor.shown("run.click", dial=e.n, first=e.seeds[0], count=len(e.seeds), **sampler)


@pytest.mark.parametrize("name", ["round_trip", "run.click"])
@pytest.mark.parametrize("way", ["cancel", "leave"])
def test_after_stop_or_leaving_at_most_one_more_network_call_is_made_and_the_lane_is_free(watched, caplog, name, way):
    (url, network), e = watched, RoundTrip(n=900, seeds=(0, 1), steps=STEPS)
    network.seconds = 0.1 if name == "round_trip" else 1.2 * Tab.pause  # what is quicker passes unseen on the page, and cannot be stopped
    visitor = Visitor(url)
    with caplog.at_level("INFO", "diffdemo"):
        event = visitor.ask(name, *(values(e) if name == "round_trip" else presses(visitor, e)))
        with visitor.answers() as messages:
            assert next(message for message in messages if message["msg"] == "process_generating")["success"]
            made = len(network.asked)
            if way == "cancel":
                visitor.cancel(name, event)
        wait_for(lambda: caplog.messages)
    assert caplog.messages[0].startswith("round-trip stopped")
    assert len(network.asked) <= made + 1 < STEPS
    assert Visitor(url).run("round_trip", *values(replace(e, n=7)))[0]["seeds"] == [0, 1]


def test_runs_are_made_in_the_order_in_which_they_were_asked_for(watched):
    url, network = watched
    network.gate.clear()
    visitors = [Visitor(url) for _ in range(6)]
    order = [RoundTrip(n=n, seeds=(0,), steps=2) for n in (500, 700, 600, 400, 800, 300)]
    for visitor, e in zip(visitors, order, strict=True):
        visitor.ask("round_trip", *values(e))
    network.gate.set()
    for visitor, e in zip(visitors, order, strict=True):
        assert f"n={e.n}&" in visitor.end()["output"]["data"][0]["query"]
    assert network.asked[::2] == [e.n - 1 for e in order]


def test_the_same_experiment_asked_by_many_at_once_and_again_is_computed_once(watched):
    (url, network), e = watched, RoundTrip(n=411, seeds=(3, 4, 5), steps=4)
    network.gate.clear()
    callers, readers = [Visitor(url) for _ in range(4)], [Visitor(url) for _ in range(3)]
    for visitor in callers:
        visitor.ask("round_trip", *values(e))
    for visitor in readers:
        visitor.ask("run.click", *presses(visitor, e))
    network.gate.set()
    found = [visitor.end()["output"]["data"][0] for visitor in (*callers, *readers)]
    assert len({digest(answer["reconstructions"]) for answer in found[:4]}) == 1
    assert {answer["text"] for answer in found[4:]} == {found[0]["sentence"]}
    assert Visitor(url).run("round_trip", *values(e))[0]["sentence"] == found[0]["sentence"]
    assert network.asked == [410, 307, 205, 102]


def test_an_error_in_one_run_touches_neither_the_one_before_nor_the_one_after(page, watched):
    (url, network), model = watched, page[2].exhibit.models.first
    network.broken_at, good = 611, [RoundTrip(n=n, seeds=(8, 9), steps=3) for n in (310, 320)]
    asked = [good[0], RoundTrip(n=612, seeds=(8, 9), steps=3), good[1]]
    network.gate.clear()
    visitors = [Visitor(url) for _ in asked]
    for visitor, e in zip(visitors, asked, strict=True):
        visitor.ask("round_trip", *values(e))
    network.gate.set()
    before, broken, after = (visitor.end() for visitor in visitors)
    assert not broken["success"]
    assert "data" not in broken["output"]
    for e, ended in zip(good, (before, after), strict=True):
        assert digest(ended["output"]["data"][0]["reconstructions"]) == digest(report.as_json(lab.run(e, model))["reconstructions"])
    network.broken_at = None
    assert Visitor(url).run("round_trip", *values(asked[1]))[0]["seeds"] == [8, 9]


def test_the_open_tab_and_the_link_of_one_visitor_are_not_those_of_another(watched):
    (url, network), e = watched, Curve(levels=(0, 250), seeds=(1,), steps=2)
    one, other = Visitor(url), Visitor(url)
    at_first = other.line.get("/config").json()["components"]
    one.at_once(".load", None, link=e.to_query())
    other.run("notice.select", None)
    assert not network.asked
    assert "curve" in one.run("notice.select", None)[2]["query"]
    assert network.asked
    trip = RoundTrip(n=123, seeds=(5,), steps=1)
    assert other.run("run.click", *presses(other, trip))[0]["query"].startswith("v=1&kind=round-trip")
    opened, *_ = one.at_once("tabitem.select", *one.shown("tabitem.select"), which=1)
    ran = one.run("run.click", opened, *presses(one, trip)[1:])
    assert "query" not in ran[0]
    assert ran[2]["query"].startswith("v=1&kind=curve")
    assert other.line.get("/config").json()["components"] == at_first


def test_the_open_tab_is_run_also_for_a_visitor_whom_gradio_has_forgotten(watched, page, monkeypatch):
    url, _, demo = page
    monkeypatch.setattr(demo.state_holder, "capacity", 2)
    visitor = Visitor(url)
    opened, *_ = visitor.at_once("tabitem.select", *visitor.shown("tabitem.select"), which=1)
    for _ in range(3):
        Visitor(url).at_once(".load", None)
    ran = visitor.run("run.click", opened, *presses(visitor, RoundTrip(n=210, seeds=(6,), steps=1))[1:])
    assert ran[2]["query"].startswith("v=1&kind=curve")


def test_a_full_queue_says_so_at_once_and_the_page_goes_on(watched):
    url, network = watched
    network.gate.clear()
    visitors = [Visitor(url) for _ in range(25)]
    events = [visitor.ask("round_trip", *values(RoundTrip(n=100 + k, seeds=(0,), steps=2))) for k, visitor in enumerate(visitors)]
    with pytest.raises(BusyError, match=r"(?i)^[^\n]{0,120}(full|busy)[^\n]{0,120}$"):
        Visitor(url).ask("round_trip", *values(RoundTrip()))
    with pytest.raises(QueueError, match=BUSY):
        Client(url, verbose=False).predict(api_name="/round_trip")
    assert Visitor(url).at_once("dial.input", "faces", 400)[0]["n"] == 400
    for visitor, event in list(zip(visitors, events, strict=True))[:0:-1]:
        visitor.cancel("round_trip", event)
    network.gate.set()
    assert visitors[0].end()["success"]
    assert set(network.asked) == {99, 49}
    assert Visitor(url).run("round_trip", *values(RoundTrip(n=50, seeds=(0,), steps=1)))[0]["seeds"] == [0]
