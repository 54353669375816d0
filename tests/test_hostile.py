"""Everything hostile at once against the real server: hundreds of requests and pictures over HTTP, one visitor, one process, then a good request."""

import base64
import io
import re
import sys
import time
from dataclasses import dataclass

import hostile_pictures
import hostile_requests
import numpy as np
import pytest
from hostile_requests import HARMLESS, NULL, SENTENCE, STATUS, Request
from PIL import Image
from raw_visitor import Answer, Visitor, serve

import diffdemo
from diffdemo.experiment import KINDS, experiment_from_query
from diffdemo.ui.page import SESSIONS

GROWTH = 50_000_000  # bytes of memory that the whole set may cost
LEAKS = ("Traceback", "site-packages", ".py", "diffdemo.", "0x", sys.prefix, str(hostile_requests.REPOSITORY))
MARKS = ("diffdemo-canary", "/etc/passwd", "face-17.png", "app.py")


@dataclass(frozen=True)
class Row:
    """What came of a request, and what is wrong with that."""

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
        return NULL if self.answer.text is None else SENTENCE if not unlike_a_sentence(self.answer.text) else "wrong"

    @property
    def problem(self) -> str:
        wanted = self.request.wanted
        if self.outcome not in ((wanted,) if wanted == STATUS or self.answer.text is None else (wanted, SENTENCE, STATUS)):
            return f"{self.outcome} instead of {wanted}: {self.answer.status} {str(self.answer.text)[:300]}"
        found = [leak for leak in LEAKS if self.answer.failed and leak in unquoted(self.answer.text or "") and leak not in self.request.name]
        return f"tells {found}: {self.answer.text[:300]}" if found else ""


def unquoted(text: str) -> str:
    """A text without what it repeats of the visitor's own words."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|File not allowed: .*|The model \S+", "", text)


def unlike_a_sentence(text: str) -> str:
    """What keeps a text from being one short sentence for a person."""
    own = unquoted(text)
    faults = {
        "not one line": "\n" in text, "too long": len(text) > 400, "no full stop": not text.endswith("."),
        "no capital": not re.match("[A-Z]|eta", text),
        "two sentences": ". " in own, "a path": "/" in own, "an exception's name": re.search(r"[A-Z]\w+Error", own), "too short": len(own) < 20,
    }  # fmt: skip
    return ", ".join(fault for fault, found in faults.items() if found)


def pictures() -> list[Request]:
    """The wrong pictures through the upload, dropped on the page, and those that fit into a link."""
    found = []
    for name, (data, word) in hostile_pictures.wrong().items():
        code = base64.b64encode(data).decode()
        found.append(Request(f"uploaded: {name}", SENTENCE, lambda s, data=data, word=word: says(s.take(s.upload(data).data), word)))
        found.append(Request(f"dropped: {name}", SENTENCE, lambda s, code=code, word=word: says(drop(s, code), word)))
        if 0 < len(data) < 1000:
            picture = f"png:{base64.urlsafe_b64encode(data).decode().rstrip('=')}"
            found.append(Request(f"in a link: {name}", SENTENCE, hostile_requests.endpoint("round-trip", picture=picture)))
    return found


def says(answer: Answer, word: str) -> Answer:
    return answer if answer.text and word in answer.text else Answer(answer.status, f"does not say {word}: {answer.text}", failed=answer.failed)


def drop(served: Visitor, code: str) -> Answer:
    return served.post("files", "select", "faces", None, event_data={"value": code})


def portrait(answer: Answer) -> np.ndarray:
    """What the page shows as the picture that the model sees."""
    assert not answer.failed, answer.text
    src = answer.data[1]["src"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(src.removeprefix("data:image/png;base64,")))).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "diffdemo-canary.png").write_bytes(hostile_pictures.encoded(hostile_pictures.ART))
    with serve(folder, *MARKS) as found:
        yield found


def warm(served: Visitor) -> None:
    """One good request of each kind and as many visitors as are remembered, so that what is loaded once and kept is there."""
    for visitor in range(SESSIONS):
        assert not served.join({"data": [], "fn_index": served.event("dice.click")["id"]}, session=f"earlier-{visitor}").failed
    for kind in KINDS:
        assert not served.call(kind.replace("-", "_"), hostile_requests.body(kind)).failed
    for name in ("png", "png, 4096 x 4096", "jpeg, 4800 x 4800"):
        good = hostile_pictures.odd()[name][0]
        assert not served.take(served.upload(good).data).failed
        assert not drop(served, base64.b64encode(good).decode()).failed
    link = {"link": "v=1&n=100&seeds=0&steps=1"}
    assert not served.post("round-trip-sentence", "select", link, {"picture": "face:17"}, event_data={"index": "zip", "value": True}).failed
    for path in ("/", "/card.png", "/config", "/gradio_api/info"):
        assert served.raw("GET", path)[0] == 200


@dataclass(frozen=True)
class Report:
    rows: dict[str, Row]
    before: int
    after: int


@pytest.fixture(scope="module")
def report(served):
    warm(served)
    before, rows = served.memory(), {}
    for request in [*hostile_requests.requests(), *pictures()]:
        began = time.perf_counter()
        answer = request.send(served)
        assert request.name not in rows
        rows[request.name] = Row(request, answer, time.perf_counter() - began, served.memory())
    return Report(rows, before, served.memory())


def table(report: Report) -> str:
    lines = [
        f"{row.request.name[:70]:70} {row.outcome:12} {row.seconds * 1000:7.0f} ms {row.memory / 1e6:6.0f} MB  {(row.answer.text or '')[:90]!r}"
        for row in report.rows.values()
    ]
    outcomes = [row.outcome for row in report.rows.values()]
    sums = ", ".join(f"{outcome} {outcomes.count(outcome)}" for outcome in sorted(set(outcomes)))
    slowest = max(row.seconds for row in report.rows.values())
    spent = sum(row.seconds for row in report.rows.values())
    memory = f"memory {report.before / 1e6:.0f} to {report.after / 1e6:.0f} MB"
    return "\n".join([*lines, f"{len(lines)} inputs: {sums}; {spent:.1f} s, the slowest {slowest:.2f} s; {memory}"])


def test_every_hostile_input_gets_a_status_or_one_sentence(report, capsys):
    with capsys.disabled():
        print(f"\n{table(report)}" if "-s" in sys.argv else "")
    assert len(report.rows) > 300
    assert {name: row.problem for name, row in report.rows.items() if row.problem} == {}


def test_only_what_gradio_refuses_by_itself_is_refused_without_a_word(report):
    without = {row.request.why for row in report.rows.values() if row.outcome == NULL}
    assert without <= set(hostile_requests.GRADIO)


def test_the_server_does_not_grow(report):
    assert report.after - report.before < GROWTH


def test_nothing_was_opened_or_asked_outside(report, served):
    lines = {line for line in served.opened() if not line.endswith(" 127.0.0.1")}
    assert lines == set()


def test_the_next_good_request_succeeds_and_gives_the_right_pictures(report, served):
    answer = served.call("round_trip", hostile_requests.body("round-trip", n=321, seeds="5,6", steps=2))
    assert not answer.failed, answer.text
    found = answer.data[0]
    expected = diffdemo.run(experiment_from_query(found["query"]))
    for uri, picture in zip(found["reconstructions"], diffdemo.load_model("faces").decode(expected.reconstructions), strict=True):
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))).astype(int)
        assert np.abs(shown - np.asarray(picture)).max() <= 1


@pytest.mark.parametrize("name", hostile_pictures.odd())
def test_an_odd_picture_is_shown_as_the_model_sees_it(served, name):
    data, expected, off = hostile_pictures.odd()[name]
    for answer in (
        served.take(served.upload(data, "photo.jpeg" if "called" in name else "photo").data),
        drop(served, base64.b64encode(data).decode()),
    ):
        assert np.abs(portrait(answer) - expected).max() <= off


def test_every_answer_has_sane_headers(served):
    file = served.upload(b"<script>alert(1)</script>", "page.html", "text/html").data
    for path in ("/", "/health", "/card.png", f"/gradio_api/file={file}"):
        _, headers, _ = served.raw("GET", path)
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
    assert "attachment" in headers["content-disposition"]
    _, headers, _ = served.raw("GET", f"/gradio_api/file={file}", Range="bytes=0-1", X_Echo="echo")
    assert "x-echo" not in headers


def test_no_bug_of_gradio_keeps_a_request_open_for_ever(served):
    assert served.raw("GET", "/gradio_api/dev/reload")[0] in (403, 404)


def test_many_sessions_are_not_kept_for_ever(served):
    before = served.memory()
    for visitor in range(200):
        assert not served.join({"data": [], "fn_index": served.event("dice.click")["id"]}, session=f"visitor-{visitor}").failed
    assert served.memory() - before < GROWTH / 2  # each would keep a quarter of a megabyte
