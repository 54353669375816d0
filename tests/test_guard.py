import json
import os
import re
import time
import urllib.error
import urllib.request

import pytest
from doubles import finished

from diffdemo import guard
from diffdemo.guard import Guard

API = guard.API
JOIN = f"{API}queue/join"


class Echo:
    """An application that answers with the body it got, and remembers that it was asked."""

    def __init__(self):
        self.asked = []

    async def __call__(self, scope, receive, send):
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        self.asked.append((scope["path"], body + message.get("body", b""), await receive()))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-content-type-options", b"odd"), (b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": self.asked[-1][1]})


def ask(path, parts=(b"",), method="POST", uploads=None, whole=True):
    """(status, headers, text, what reached the application) of one request, its body in parts."""
    app, sent = Echo(), []
    coming = [{"type": "http.request", "body": part, "more_body": k < len(parts) - 1 or not whole} for k, part in enumerate(parts)]

    async def receive():
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    finished(Guard(app, uploads)({"type": "http", "path": path, "method": method, "headers": []}, receive, send))
    start, body = sent
    return start["status"], start["headers"], body["body"].decode("latin-1"), app.asked


def refused(status, text, asked):
    """The sentence of a request that went no further."""
    assert not asked
    said = json.loads(text)["detail"]
    assert said.endswith(".")
    assert "Traceback" not in said
    return status, said


def test_a_body_goes_on_whole_and_unchanged_and_so_does_the_end_of_the_connection():
    parts = [b'{"data": ', b'[1, "http://a.link/in/a/text"]', b"}"]
    status, headers, text, asked = ask(JOIN, parts)
    assert status == 200
    assert asked == [(JOIN, b"".join(parts), {"type": "http.disconnect"})]
    assert text == b"".join(parts).decode()
    assert [value for name, value in headers if name == b"x-content-type-options"] == [b"nosniff"]
    assert dict(headers)[b"x-own"] == b"1"


HIDDEN = [
    "file=http://127.0.0.1/x", "file=https://example.org/x", "file=ftp://x", "proxy=https://example.org", "component_server", "vibe-code",
    "process_recording", "deep_link", "runs", "stream/x", "custom_component/1/client/component/x.js",
]  # fmt: skip
SHOWN = ["/", "/assets/x.js", "/config", "/health", "/card.png", "/theme.css", f"{API}info", f"{API}file=/tmp/x/a.png", f"{API}mcp/sse"]
ADDRESSES = [
    "http://127.0.0.1:7860/x.png", "HTTPS://example.org/a.png", " ftp://x/a", "file:///etc/passwd", "data:image/png;base64,AA", "//x/a",
]  # fmt: skip


@pytest.mark.parametrize("path", [*(API + path for path in HIDDEN), "/monitoring", "/login", "/docs", "/assetsx", "//example.org", "/.env"])
def test_what_the_page_does_not_need_is_not_there(path):
    for method in ("GET", "POST"):
        status, _, text, asked = ask(path, method=method)
        assert refused(status, text, asked) == (404, "There is nothing at this address.")


@pytest.mark.parametrize(
    "path", ["/", "/assets/x.js", "/config", "/health", "/card.png", f"{API}info", f"{API}file=/tmp/x/a.png", f"{API}mcp/sse", "/theme.css"]
)
def test_what_it_needs_is_and_pages_are_only_read(path):
    assert ask(path, method="GET")[0] == 200
    if not path.startswith(API):
        status, _, text, asked = ask(path)
        assert refused(status, text, asked)[0] == 405


def test_a_body_has_a_bound_whether_its_length_is_told_or_not(monkeypatch):
    monkeypatch.setattr(guard, "BODY", 1_000_000)
    assert ask(JOIN, [b"x" * 500_000, b"y" * 500_000])[0] == 200
    status, _, text, asked = ask(JOIN, [b"x" * 500_000] * 2 + [b"y"])
    assert refused(status, text, asked) == (413, "This is too large: at most 1 MB are taken at once.")
    status, _, text, asked = ask(JOIN, [b"x" * 500_000] * 1000)
    assert refused(status, text, asked)[0] == 413


def test_a_request_that_breaks_off_never_reaches_the_page(tmp_path):
    for path in (JOIN, f"{API}upload"):
        status, _, text, asked = ask(path, [b"half"], uploads=tmp_path, whole=False)
        assert refused(status, text, asked)[0] == 400


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_address_stands_in_the_place_of_a_file(address):
    for data in ([{"path": address, "meta": {"_type": "gradio.FileData"}}], [[{"a": {"path": address}}]], {"b": {"path": address}}):
        hidden = json.dumps({"data": data}).replace("path", "p\\u0061th").encode()
        for body in (json.dumps({"data": data}).encode(), hidden):
            status, _, text, asked = ask(JOIN, [body])
            assert refused(status, text, asked) == (400, "Files are taken by upload only, not from an address.")


def test_files_that_were_uploaded_and_their_own_address_pass():
    body = json.dumps({"data": [{"path": "/tmp/x/a.png", "url": "http://127.0.0.1:7860/gradio_api/file=/tmp/x/a.png"}, {"path": None}, {"path": 3}]})
    assert ask(JOIN, [body.encode()])[0] == 200


def test_a_body_holds_so_much_so_deep_and_no_more():
    for body in (b"[" * 50 + b"]" * 50, json.dumps([0] * 150_000).encode(), b"not json", b"", b"\xff\xfe", b'{"a": NaN}'):
        assert ask(JOIN, [body])[0] == 200
    for body in (
        b"[" * 200 + b"]" * 200,
        b"[" * 100_000 + b"]" * 100_000,
        json.dumps([0] * 250_000).encode(),
        json.dumps([[0] * 10] * 25_000).encode(),
    ):
        status, _, text, asked = ask(JOIN, [body])
        assert refused(status, text, asked)[0] == 400


def test_uploads_have_a_bound_together_and_old_ones_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "UPLOADS", 1000)
    (folder := tmp_path / "hash").mkdir()
    (folder / "a.png").write_bytes(b"a" * 600)
    (tmp_path / "tmpaborted").write_bytes(b"b" * 300)
    assert ask(f"{API}upload", [b"c" * 100], uploads=tmp_path)[0] == 200
    status, _, text, asked = ask(f"{API}upload", [b"c" * 101], uploads=tmp_path)
    assert refused(status, text, asked)[0] == 507
    os.utime(tmp_path / "tmpaborted", (time.time() - guard.KEPT - 5,) * 2)
    assert ask(f"{API}upload", [b"c" * 101], uploads=tmp_path)[0] == 200
    assert not (tmp_path / "tmpaborted").exists()
    assert (folder / "a.png").exists()


@pytest.mark.parametrize(("error", "status"), [(RuntimeError("inner words"), 500), (OSError(28, "No space left on device", "/a/path"), 507)])
def test_what_breaks_behind_it_is_one_sentence_and_a_line_in_the_log(error, status, caplog):
    async def broken(scope, receive, send):
        raise error

    sent = []

    async def send(message):
        sent.append(message)

    finished(Guard(broken, None)({"type": "http", "path": "/", "method": "GET", "headers": []}, None, send))
    assert sent[0]["status"] == status
    said = json.loads(sent[1]["body"])["detail"]
    assert said.endswith(".")
    assert not re.search("inner|path|device", said)
    assert caplog.messages == ["GET / failed"]


def test_the_page_is_served_through_it(address):
    with urllib.request.urlopen(address) as answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert all(headers[name.decode()] == value.decode() for name, value in guard.HEADERS)
    for path in ("gradio_api/file=http://127.0.0.1:1/x", "gradio_api/component_server", "nothing"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{address}{path}")
        assert caught.value.code == 404
