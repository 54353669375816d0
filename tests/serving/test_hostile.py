"""Hundreds of hostile requests and pictures against the real server, and then good ones."""

import base64
import io
import re
import sys
import time
from dataclasses import dataclass
from functools import partial

import hostile_pictures
import hostile_requests
import numpy as np
import pytest
from hostile_requests import HARMLESS, NULL, SENTENCE, STATUS, Request
from PIL import Image
from raw_visitor import Answer, RawVisitor, serve_watched

import diffdemo
from diffdemo.lab.experiment import KINDS, experiment_from_query
from diffdemo.page.launch import SESSIONS

GROWTH = 50_000_000  # bytes of memory that all requests together may cost
REPOSITORY = str(hostile_requests.REPOSITORY)
LEAKS = ("Traceback", "site-packages", ".py", "diffdemo.", "0x", sys.prefix, REPOSITORY)
MARKS = ("diffdemo-canary", "/etc/passwd", "face-17.png", "app.py")


@dataclass(frozen=True)
class Row:
    """What came of a request."""

    request: Request
    answer: Answer
    seconds: float
    memory: int

    @property
    def outcome(self) -> str:
        if not self.answer.failed:
            return HARMLESS
        if 400 <= self.answer.status < 500:
            return STATUS
        if self.answer.text is None:
            return NULL
        return "wrong" if faults(self.answer.text) else SENTENCE

    @property
    def problem(self) -> str:
        wanted = {self.request.wanted}
        text = self.answer.text or ""
        if self.request.wanted != STATUS and self.answer.text is not None:
            wanted |= {SENTENCE, STATUS}
        if self.outcome not in wanted:
            found = f"{self.answer.status} {text[:300]} ({faults(text)})"
            return f"{self.outcome} instead of {self.request.wanted}: {found}"
        leaks = [leak for leak in LEAKS if leak in unquoted(text) and leak not in self.request.name]
        return f"tells {leaks}: {text[:300]}" if self.answer.failed and leaks else ""

    def __str__(self) -> str:
        cost = f"{self.seconds * 1000:7.0f} ms {self.memory / 1e6:6.0f} MB"
        text = (self.answer.text or "")[:90]
        return f"{self.request.name[:70]:70} {self.outcome:12} {cost}  {text!r}"


def unquoted(text: str) -> str:
    """Remove what a text repeats of the visitor's own words."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|File not allowed: .*|The model \S+", "", text)


def faults(text: str) -> str:
    """Return what keeps a text from being one short sentence for a person."""
    own = unquoted(text)
    found = {
        "not one line": "\n" in text,
        "too long": len(text) > 400,
        "no full stop": not text.endswith("."),
        "no capital": not re.match("[A-Z]|eta", text),
        "two sentences": ". " in own,
        "a path": "/" in own,
        "an exception's name": re.search(r"[A-Z]\w+Error", own),
        "too short": len(own) < 20,
    }
    return ", ".join(fault for fault, present in found.items() if present)


def pictures() -> list[Request]:
    """Return the wrong pictures: uploaded, dropped on the page, and in a link if they fit."""
    found = []
    for name, (data, word) in hostile_pictures.wrong().items():
        for way, send in (("uploaded", upload), ("dropped", drop)):
            send = partial(send_picture, send=send, data=data, word=word)
            found.append(Request(f"{way}: {name}", SENTENCE, send))
        if 0 < len(data) < 1000:
            picture = f"png:{base64.urlsafe_b64encode(data).decode().rstrip('=')}"
            send = hostile_requests.endpoint("round-trip", picture=picture)
            found.append(Request(f"in a link: {name}", SENTENCE, send))
    return found


def send_picture(visitor: RawVisitor, send, data: bytes, word: str) -> Answer:
    """Send a picture; the answer must contain a word."""
    answer = send(visitor, data)
    if answer.text and word in answer.text:
        return answer
    text = f"does not say {word}: {answer.text}"
    return Answer(answer.status, text, failed=answer.failed)


def upload(visitor: RawVisitor, data: bytes, *name: str) -> Answer:
    return visitor.take(visitor.upload(data, *name).data)


def drop(visitor: RawVisitor, data: bytes) -> Answer:
    file = {"value": base64.b64encode(data).decode()}
    return visitor.trigger("files.select", "faces", None, event_data=file)


def pixels(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def visitor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    canary = folder / "elsewhere" / "diffdemo-canary.png"
    canary.parent.mkdir()
    canary.write_bytes(hostile_pictures.encoded(hostile_pictures.ART))
    with serve_watched(folder, *MARKS) as found:
        yield found


def throw_dice(visitor: RawVisitor, session: str) -> Answer:
    return visitor.join({"data": [], "fn_index": visitor.event("dice.click")}, session=session)


def warm_up(visitor: RawVisitor) -> None:
    """Make all that the server loads or remembers: good requests of each kind, and sessions."""
    answers = [throw_dice(visitor, f"earlier-{number}") for number in range(SESSIONS)]
    for kind in KINDS:
        body = hostile_requests.body(kind)
        answers.append(visitor.call(kind.replace("-", "_"), body))
    for name in ("png", "png, 4096 x 4096", "jpeg, 4800 x 4800"):
        good = hostile_pictures.odd()[name][0]
        answers += [upload(visitor, good), drop(visitor, good)]
    sent = {"index": "zip", "value": True}
    run = (hostile_requests.RUN, hostile_requests.PORTRAIT)
    answers.append(visitor.trigger("round-trip-sentence.select", *run, event_data=sent))
    assert [answer for answer in answers if answer.failed] == []
    for path in ("/", "/card.png", "/config", "/gradio_api/info"):
        assert visitor.request("GET", path)[0] == 200


@dataclass(frozen=True)
class Report:
    """What came of all requests, by name, and the memory of the server before and after."""

    rows: dict[str, Row]
    before: int
    after: int

    def __str__(self) -> str:
        rows = self.rows.values()
        outcomes = [row.outcome for row in rows]
        counts = ", ".join(f"{one} {outcomes.count(one)}" for one in sorted(set(outcomes)))
        seconds = [row.seconds for row in rows]
        memory = f"memory {self.before / 1e6:.0f} to {self.after / 1e6:.0f} MB"
        times = f"{sum(seconds):.1f} s, the slowest {max(seconds):.2f} s"
        return "\n".join([*map(str, rows), f"{len(rows)} inputs: {counts}; {times}; {memory}"])


@pytest.fixture(scope="module")
def report(visitor):
    warm_up(visitor)
    before = visitor.server.memory()
    rows = {}
    for request in [*hostile_requests.requests(), *pictures()]:
        assert request.name not in rows
        began = time.perf_counter()
        answer = request.send(visitor)
        seconds = time.perf_counter() - began
        rows[request.name] = Row(request, answer, seconds, visitor.server.memory())
    return Report(rows, before, visitor.server.memory())


def test_every_hostile_input_gets_a_status_or_one_sentence(report, capsys):
    if "-s" in sys.argv:
        with capsys.disabled():
            print(f"\n{report}")
    assert len(report.rows) > 300
    assert {name: row.problem for name, row in report.rows.items() if row.problem} == {}


def test_only_what_gradio_refuses_by_itself_is_refused_without_a_word(report):
    reasons = {row.request.why for row in report.rows.values() if row.outcome == NULL}
    assert reasons <= set(hostile_requests.GRADIO)


def test_hostile_inputs_do_not_make_the_server_grow(report):
    assert report.after - report.before < GROWTH


def test_nothing_outside_was_looked_up_connected_to_or_opened(report, visitor):
    own = (" 127.0.0.1", "/round_trip/shipped/face-17.png")
    assert {line for line in visitor.accessed() if not line.endswith(own)} == set()


def test_the_next_good_request_gives_the_right_pictures(report, visitor):
    body = hostile_requests.body("round-trip", n=321, seeds="5,6", steps=2)
    answer = visitor.call("round_trip", body)
    assert not answer.failed, answer.text
    found = answer.data[0]
    result = diffdemo.run(experiment_from_query(found["query"]))
    expected = diffdemo.load_model("faces").decode(result.reconstructions)
    for uri, picture in zip(found["reconstructions"], expected, strict=True):
        assert np.abs(pixels(uri) - np.asarray(picture)).max() <= 1


@pytest.mark.parametrize("name", hostile_pictures.odd())
def test_an_odd_picture_is_shown_as_the_model_sees_it(visitor, name):
    data, expected, error = hostile_pictures.odd()[name]
    file_name = "photo.jpeg" if "called" in name else "photo"
    for answer in (upload(visitor, data, file_name), drop(visitor, data)):
        assert not answer.failed, answer.text
        portrait = next(one for one in answer.data if isinstance(one, dict) and "src" in one)
        assert np.abs(pixels(portrait["src"]) - expected).max() <= error


def test_every_answer_has_safe_headers(visitor):
    file = visitor.upload(b"<script>alert(1)</script>", "page.html", "text/html").data
    for path in ("/", "/health", "/card.png", f"/gradio_api/file={file}"):
        _, headers, _ = visitor.request("GET", path)
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
    assert "attachment" in headers["content-disposition"]
    part = {"Range": "bytes=0-1", "X_Echo": "echo"}
    _, headers, _ = visitor.request("GET", f"/gradio_api/file={file}", **part)
    assert "x-echo" not in headers


def test_gradios_reload_keeps_no_request_open_for_ever(visitor):
    assert visitor.request("GET", "/gradio_api/dev/reload")[0] in (403, 404)


def test_many_sessions_are_not_remembered_for_ever(visitor):
    before = visitor.server.memory()
    for number in range(200):
        assert not throw_dice(visitor, f"visitor-{number}").failed
    # Each would take a quarter of a megabyte.
    assert visitor.server.memory() - before < GROWTH / 2
