import html
import io
import re
import urllib.request
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from doubles import finished
from PIL import Image

from diffdemo import service, unfurl
from diffdemo.experiment import Branch, Curve, RoundTrip
from diffdemo.unfurl import Unfurl, rewrite

PAGE = (
    b'<!doctype html><html><head><meta charset="utf-8"><meta property="og:title" content="Gradio"> <meta name="twitter:image" content="x">'
    b'<title>page</title><script>window.gradio_config = {"meta": "<meta property=\\"og:title\\">"};</script></head><body>x</body></html>'
)
HOSTILE = '"><script>alert(1)</script>'


class Head(HTMLParser):
    """The meta tags of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "meta" and (name := values.get("property") or values.get("name")):
            self.found.append((name, values.get("content", "")))


def tags(page: bytes) -> dict[str, str]:
    """Open Graph and Twitter tags, each of which stands once."""
    found = [(name, content) for name, content in Head(page.decode()).found if name.startswith(("og:", "twitter:"))]
    assert len(found) == len(dict(found)), found
    return dict(found)


def get(url: str, method: str = "GET", **headers: str):
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=60) as answer:
        return answer, answer.read()


@pytest.mark.parametrize("query", ["", Curve("digits", "digit:3", (0, 500), (1, 2)).to_query(), Branch(seed=4).to_query()])
def test_the_served_page_has_the_preview_of_its_link_and_none_of_gradios(address, query):
    answer, page = get(f"{address}?{query}" if query else address)
    found = tags(page)
    assert set(found) == {
        "og:type", "og:site_name", "og:title", "og:description", "og:url", "og:image", "og:image:width", "og:image:height", "og:image:alt",
        "twitter:card",
    }  # fmt: skip
    assert int(answer.headers["content-length"]) == len(page)
    assert found["og:title"].startswith("diffdemo: ")
    assert found["og:url"] == (f"{address}?{query}" if query else address)
    assert found["og:image"].startswith(f"{address}card.png")
    assert "gradio" not in " ".join(found.values()).lower()
    assert b"window.gradio_config" in page
    assert page.rstrip().endswith(b"</html>")


def test_the_preview_tells_the_settings_of_the_link(address):
    found = tags(get(f"{address}?{Curve('digits', 'digit:3', (0, 500), (1, 2)).to_query()}")[1])
    assert found["og:title"] == "diffdemo: Why does 300 work and 1000 not?"
    assert found["og:description"].startswith("Model digits, ")
    assert "seeds 1-2" in found["og:description"]


def test_the_picture_of_a_preview_is_served_where_it_says(address):
    query = Branch(seed=4).to_query()
    url = tags(get(f"{address}?{query}")[1])["og:image"]
    answer, data = get(url)
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(data)).size == (1200, 630)
    assert data == unfurl.picture(query) != unfurl.picture("")
    head, nothing = get(url, "HEAD")
    assert head.status == 200
    assert nothing == b""
    assert int(head.headers["content-length"]) == len(data)


def test_a_head_request_for_the_page_has_the_length_of_the_page(address):
    answer, nothing = get(address, "HEAD")
    assert answer.status == 200
    assert nothing == b""
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("query", [quote(HOSTILE), f"v=1&model={quote(HOSTILE)}", f"v=1&n={quote(HOSTILE)}", f"v=1&{quote(HOSTILE)}=1", "v=1&n=5000"])
def test_a_broken_or_hostile_link_gets_the_first_examples_preview(address, query):
    _, page = get(f"{address}?{query}")
    assert b"<script>alert(1)" not in page
    found, first = tags(page), tags(get(address)[1])
    assert {name: found[name] for name in ("og:title", "og:description")} == {name: first[name] for name in ("og:title", "og:description")}


@pytest.mark.parametrize("prompt", [HOSTILE, "\\1 \\g<0> \\q", "' onload='x", "</head><head>", "&quot;&lt;", "%3Cscript%3E", "猫 𝕏"])
@pytest.mark.parametrize("model", ["faces", "CompVis/stable-diffusion-v1-4"])
def test_a_prompt_stands_in_the_preview_as_it_was_written(prompt, model):
    page = rewrite(PAGE, f"v=1&model={quote(model)}&prompt={quote(prompt)}", "http://x")
    assert html.escape(prompt).encode() in page
    assert prompt in tags(page[: page.find(b"<script>window")])["og:description"]
    assert page.count(b"<script>") == 1
    assert page.count(b"<head>") == 1


def test_only_tags_in_front_of_the_script_are_replaced():
    page = rewrite(PAGE, "", "http://x")
    assert b'content="Gradio"' not in page
    assert b"twitter:image" not in page
    assert page[page.find(b"window.gradio_config") :] == PAGE[PAGE.find(b"window.gradio_config") :]
    assert b"<title>page</title>" in page
    assert rewrite(b"no page", "", "http://x") == b"no page"


def test_a_script_of_ours_runs_before_all_others():
    page = rewrite(PAGE, "", "http://x", "first()").decode()
    assert page.index("<script>first()</script>") == page.index("<script")


@pytest.mark.parametrize(
    ("sent", "origin"),
    [({"x-forwarded-proto": "https"}, "https://"), ({"x-forwarded-proto": "https, http"}, "https://"), ({"x-forwarded-proto": "http"}, "http://"),
     ({}, "http://"), ({"x-forwarded-proto": "javascript"}, "https://")],
)  # fmt: skip
def test_the_picture_has_the_scheme_that_the_visitor_sees(address, sent, origin):
    found = tags(get(address, **sent)[1])
    host = address.removeprefix("http://")
    assert found["og:image"] == f"{origin}{host}card.png"
    assert found["og:url"] == f"{origin}{host}"


def test_a_hostile_host_is_escaped(address):
    _, page = get(address, host='x"><script>alert(1)</script>')
    assert b"<script>alert(1)" not in page


def test_a_query_that_is_too_long_gets_the_first_examples_preview(address):
    for query in ("v=1&" + "a" * 9000, RoundTrip().to_query() + "&" * 8001, "v=1&n=250&picture=" + "x" * 20_000):
        answer, page = get(f"{address}?{query}")
        assert answer.status == 200
        assert tags(page)["og:title"] == "diffdemo: Does it come back?"
        assert len(tags(page)["og:url"]) < 1000
    assert get(f"{address}card.png?v=1&{'a' * 9000}")[1] == unfurl.picture("")


def test_the_sentence_of_a_finished_run_stands_in_the_preview(address):
    e = RoundTrip(n=123, seeds=(5, 6), steps=1)
    before = tags(get(f"{address}?{e.to_query()}")[1])["og:description"]
    list(service.stream(e))
    after = tags(get(f"{address}?{e.to_query()}")[1])["og:description"]
    assert before.startswith("Model faces")
    assert re.match(r"Of 2 noises of 123 steps, .*\. Model faces", after)


def test_endpoints_and_files_are_handed_on(address):
    answer, data = get(f"{address}gradio_api/info")
    assert answer.headers["content-type"].startswith("application/json")
    assert b"og:title" not in data
    assert answer.status == 200


def http(path: str, method: str = "GET", query: bytes = b"") -> dict:
    return {"type": "http", "method": method, "path": path, "query_string": query, "scheme": "http", "headers": [(b"host", b"x")]}


def through(scope: dict, *messages: dict) -> tuple[list, bool]:
    """What arrives of an answer, and whether the app wrote it straight to the browser."""
    arrived, straight = [], []

    async def send(message):
        arrived.append(message)

    async def app(scope, receive, own):
        straight.append(own is send)
        for message in messages:
            await own(message)

    finished(Unfurl(app)(scope, None, send))
    return arrived, straight == [True]


START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"7")]}


@pytest.mark.parametrize(
    "scope",
    [http("/gradio_api/queue/data"), http("/gradio_api/queue/join", "POST"), http("/", "POST"), http("/card.png", "POST"), http("/static/card.png"),
     http("/config"), {"type": "websocket", "path": "/", "headers": []}, {"type": "lifespan"}],
    ids=lambda scope: f"{scope['type']} {scope.get('method')} {scope.get('path')}",
)  # fmt: skip
def test_streams_and_everything_else_go_straight_through(scope):
    events = [START, *({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True},) * 3]
    assert through(scope, *events) == (events, True)


def test_a_page_in_pieces_is_rewritten_whole():
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    start = {**START, "headers": [*START["headers"], *cookies]}
    pieces = [{"type": "http.response.body", "body": PAGE[k : k + 50], "more_body": k + 50 < len(PAGE)} for k in range(0, len(PAGE), 50)]
    (first, body), _ = through(http("/"), start, *pieces)
    assert body["body"] == rewrite(PAGE, "", "http://x")
    assert [value for name, value in first["headers"] if name == b"content-length"] == [str(len(body["body"])).encode()]
    assert [pair for pair in first["headers"] if pair[0] == b"set-cookie"] == cookies
    assert not body.get("more_body")


@pytest.mark.parametrize("header", [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")])
def test_what_is_no_readable_page_is_left_as_it_is(header):
    start = {**START, "headers": [*[pair for pair in START["headers"] if pair[0] != header[0]], header]}
    arrived, _ = through(http("/"), start, {"type": "http.response.body", "body": PAGE})
    assert arrived == [start, {"type": "http.response.body", "body": PAGE}]


def test_bytes_that_are_no_text_in_a_query_do_no_harm():
    (_, body), _ = through(http("/", query=b"v=1&prompt=\xff\xfe%ff"), START, {"type": "http.response.body", "body": PAGE})
    assert b"Does it come back?" in body["body"]
