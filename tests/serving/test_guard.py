import json
import os
import time
import urllib.error
import urllib.request

import pytest
from doubles import finished
from starlette.exceptions import HTTPException
from starlette.responses import Response

from diffdemo.errors import UNFORESEEN
from diffdemo.serving import guard
from diffdemo.serving.guard import API, Guard

JOIN = f"{API}queue/join"
UPLOAD = f"{API}upload"
NOTHING_HERE = (404, "There is nothing at this address.")


class Echo:
    """An application that answers with the body it received, and notes what reached it."""

    def __init__(self):
        self.received = []

    async def __call__(self, scope, receive, send):
        body = b""
        message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        self.received.append((scope["path"], body, await receive()))
        headers = {"x-content-type-options": "odd", "x-own": "1"}
        await Response(body, headers=headers)(scope, receive, send)


def serve(app, path, method="POST", receive=None):
    """Return (status, headers, text) of the answer to one request."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": [], "query_string": b""}
    finished(app(scope, receive, send))
    start, body = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, body["body"].decode("latin-1")


def ask(path, *parts, method="POST", uploads=None, whole=True):
    """Send one request through a guard; return its answer as `serve`, and what reached the app."""
    app = Echo()
    parts = parts or (b"",)
    messages = [
        {"type": "http.request", "body": part, "more_body": k < len(parts) - 1 or not whole}
        for k, part in enumerate(parts)
    ]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return *serve(Guard(app, uploads), path, method, receive), app.received


def accepted(*request, **options):
    return ask(*request, **options)[0] == 200


def refused(*request, **options):
    """Return (status, sentence) of a request that does not reach the application."""
    status, _, text, received = ask(*request, **options)
    assert not received
    sentence = json.loads(text)["detail"]
    assert sentence.endswith(".")
    assert "Traceback" not in sentence
    return status, sentence


def test_a_body_is_passed_on_unchanged_and_so_is_the_end_of_the_connection():
    parts = [b'{"data": ', b'[1, "http://a.link/in/a/text"]', b"}"]
    status, headers, text, received = ask(JOIN, *parts)
    assert status == 200
    assert received == [(JOIN, b"".join(parts), {"type": "http.disconnect"})]
    assert text == b"".join(parts).decode()
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-own"] == "1"


HIDDEN = (
    "file=http://127.0.0.1/x file=https://example.org/x file=ftp://x proxy=https://example.org "
    "component_server vibe-code process_recording deep_link runs stream/x "
    "custom_component/1/client/component/x.js"
)
HIDDEN_PAGES = "/monitoring /login /docs /assetsx //example.org /.env"
PAGES = "/ /assets/x.js /config /health /card.png /theme.css"
API_PATHS = "info file=/tmp/x/a.png mcp/sse"


@pytest.mark.parametrize("path", [*(API + path for path in HIDDEN.split()), *HIDDEN_PAGES.split()])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_the_page_does_not_need_is_not_served(path, method):
    assert refused(path, method=method) == NOTHING_HERE


@pytest.mark.parametrize("path", [*PAGES.split(), *(API + path for path in API_PATHS.split())])
def test_what_the_page_needs_is_served(path):
    assert accepted(path, method="GET")


@pytest.mark.parametrize("path", PAGES.split())
def test_pages_can_only_be_read(path):
    assert refused(path)[0] == 405


def test_a_large_body_is_refused_whether_its_length_is_known_or_not(monkeypatch):
    monkeypatch.setattr(guard, "MAX_BODY", 1_000_000)
    half = b"x" * 500_000
    assert accepted(JOIN, half, half)
    sentence = "This is too large: at most 1 MB are taken at once."
    assert refused(JOIN, half, half, b"y") == (413, sentence)
    assert refused(JOIN, *[half] * 1000) == (413, sentence)


@pytest.mark.parametrize("path", [JOIN, UPLOAD])
def test_a_request_that_breaks_off_does_not_reach_the_page(path, tmp_path):
    assert refused(path, b"half", uploads=tmp_path, whole=False)[0] == 400


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:7860/x.png",
        "HTTPS://example.org/a.png",
        " ftp://x/a",
        "file:///etc/passwd",
        "data:image/png;base64,AA",
        "//x/a",
    ],
)
def test_an_address_in_place_of_a_file_is_refused(address):
    file = {"path": address, "meta": {"_type": "gradio.FileData"}}
    for data in ([file], [[{"a": {"path": address}}]], {"b": {"path": address}}):
        body = json.dumps({"data": data})
        for written in (body, body.replace("path", "p\\u0061th")):
            sentence = "Files are taken by upload only, not from an address."
            assert refused(JOIN, written.encode()) == (400, sentence)


def test_uploaded_files_and_their_own_addresses_are_accepted():
    path = "/tmp/x/a.png"
    file = {"path": path, "url": f"http://127.0.0.1:7860/gradio_api/file={path}"}
    body = json.dumps({"data": [file, {"path": None}, {"path": 3}]})
    assert accepted(JOIN, body.encode())


ACCEPTED = [
    b"[" * 50 + b"]" * 50,
    json.dumps([0] * 150_000).encode(),
    b"not json",
    b"",
    b"\xff\xfe",
    b'{"a": NaN}',
]
REFUSED = [
    b"[" * 200 + b"]" * 200,
    b"[" * 100_000 + b"]" * 100_000,
    json.dumps([0] * 250_000).encode(),
    json.dumps([[0] * 10] * 25_000).encode(),
]


@pytest.mark.parametrize("body", ACCEPTED, ids=lambda body: str(body[:20]))
def test_a_body_of_ordinary_size_and_depth_is_accepted(body):
    assert accepted(JOIN, body)


@pytest.mark.parametrize("body", REFUSED, ids=range(len(REFUSED)))
def test_a_body_with_too_many_values_or_levels_is_refused(body):
    assert refused(JOIN, body)[0] == 400


def test_uploads_are_bounded_together_and_old_ones_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "MAX_UPLOADS", 1000)
    upload = tmp_path / "hash" / "a.png"
    upload.parent.mkdir()
    upload.write_bytes(b"a" * 600)
    aborted = tmp_path / "tmpaborted"
    aborted.write_bytes(b"b" * 300)
    assert accepted(UPLOAD, b"c" * 100, uploads=tmp_path)
    assert refused(UPLOAD, b"c" * 101, uploads=tmp_path)[0] == 507
    os.utime(aborted, (time.time() - guard.KEPT_SECONDS - 5,) * 2)
    assert accepted(UPLOAD, b"c" * 101, uploads=tmp_path)
    assert not aborted.exists()
    assert upload.exists()


@pytest.mark.parametrize(
    ("path", "error", "status", "words", "log"),
    [
        ("/", RuntimeError("secret"), 500, UNFORESEEN, ["GET / failed"]),
        ("/", OSError(28, "secret", "/secret"), 507, "could not be stored", ["GET / failed"]),
        (JOIN, KeyError("secret"), 404, "Use via API", [f"GET {JOIN} refused: KeyError"]),
        ("/", HTTPException(503, "Please try again later."), 503, "again later", []),
    ],
)
def test_an_error_in_the_application_is_one_sentence(path, error, status, words, log, caplog):
    async def broken(scope, receive, send):
        raise error

    with caplog.at_level("INFO", "diffdemo"):
        found, _, text = serve(Guard(broken, None), path, "GET")
    sentence = json.loads(text)["detail"]
    assert found == status
    assert words in sentence
    assert sentence.endswith(".")
    assert "secret" not in sentence
    assert caplog.messages == log


def test_the_page_is_served_through_the_guard(address):
    with urllib.request.urlopen(address) as answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert headers.items() >= guard.HEADERS.items()
    for path in ("gradio_api/file=http://127.0.0.1:1/x", "gradio_api/component_server", "nothing"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{address}{path}")
        assert caught.value.code == 404
