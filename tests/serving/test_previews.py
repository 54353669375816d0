import html
import io
import time
import urllib.request
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from doubles import finished
from PIL import Image

from diffdemo.experiments import Branch, Curve, RoundTrip
from diffdemo.lab.runner import Runner
from diffdemo.serving import previews
from diffdemo.serving.previews import Previews, edit, meta_tags
from diffdemo.serving.stories import Stories

PAGE = (
    b'<!doctype html><html><head><meta charset="utf-8"><meta property="og:title" content="Gradio">'
    b' <meta name="twitter:image" content="x"><title>page</title><script>window.gradio_config = '
    b'{"meta": "<meta property=\\"og:title\\">"};</script></head><body>x</body></html>'
)
HOSTILE = '"><script>alert(1)</script>'
CURVE = Curve("digits", "digit:3", (0, 500), (1, 2)).to_query()
BRANCH = Branch(seed=4).to_query()
TAGS = (
    "og:type og:site_name og:title og:description og:url og:image og:image:width og:image:height "
    "og:image:alt twitter:card twitter:title twitter:description twitter:image twitter:image:alt "
    "description"
)


class Quiet(Stories):
    """Tells of links, but computes nothing by itself."""

    def _compute(self):
        pass


class Head(HTMLParser):
    """The meta tags of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        name = values.get("property") or values.get("name")
        if tag == "meta" and name:
            self.found.append((name, values.get("content", "")))


def preview(page: bytes) -> dict[str, str]:
    """Return the tags of a page for previews, each of which must be there once."""
    found = Head(page.decode()).found
    tags = [
        (name, text)
        for name, text in found
        if name.startswith(("og:", "twitter:")) or name == "description"
    ]
    assert len(tags) == len(dict(tags)), tags
    return dict(tags)


def previewed(query: str, page: bytes = PAGE, script: str = "") -> bytes:
    """Return a page with the preview of a link."""
    return edit(page, meta_tags(Quiet(Runner()).story(query), "http://x"), script)


def get(url: str, method: str = "GET", **headers: str):
    request = urllib.request.Request(url, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer, answer.read()


@pytest.mark.parametrize("query", ["", CURVE, BRANCH])
def test_the_served_page_has_the_preview_of_its_link_and_not_gradios(address, query):
    url = f"{address}?{query}" if query else address
    answer, page = get(url)
    found = preview(page)
    assert set(found) == set(TAGS.split())
    assert int(answer.headers["content-length"]) == len(page)
    assert found["og:title"].startswith("diffdemo: ")
    assert found["og:url"] == url
    assert found["og:image"].startswith(f"{address}card.png")
    assert "gradio" not in " ".join(found.values()).lower()
    assert b"window.gradio_config" in page
    assert page.rstrip().endswith(b"</html>")


def test_title_and_description_are_the_same_everywhere():
    page = previewed("")
    found = preview(page)
    assert found["og:title"] == found["twitter:title"]
    assert found["description"] == found["og:description"] == found["twitter:description"]
    assert found["og:image"] == found["twitter:image"]
    head = page[: page.find(b"<script>window")]
    assert head.count(b"<title>") == 1
    assert f"<title>{html.escape(found['og:title'])}</title>".encode() in head


def test_the_page_says_what_its_card_shows_once_that_is_computed(address):
    for _ in range(240):
        found = preview(get(address)[1])
        if "steps" in found["og:description"]:
            break
        time.sleep(0.5)
    assert found["og:description"] == (
        "Add noise to a face, let a diffusion model remove it. With 250 steps your face comes "
        "back. With 1000 steps someone else does. Try it in your browser."
    )


def test_the_card_of_a_preview_is_served(address):
    url = preview(get(f"{address}?{BRANCH}")[1])["og:image"]
    answer, data = get(url)
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(data)).size == (1200, 630)
    assert data == Stories(Runner()).card(BRANCH)
    head, nothing = get(url, "HEAD")
    assert head.status == 200
    assert nothing == b""
    assert int(head.headers["content-length"]) == len(data)


@pytest.mark.parametrize("e", [RoundTrip(solver="dpm++2m"), RoundTrip(prompt="50 % of 猫 & a+b")])
def test_the_address_of_a_card_is_that_of_its_experiment(e):
    url = preview(previewed(e.to_query()))["og:image"]
    assert Stories(Runner()).experiment(url.partition("?")[2]) == e


def test_a_head_request_for_the_page_is_answered(address):
    answer, nothing = get(address, "HEAD")
    assert answer.status == 200
    assert nothing == b""
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "query",
    [
        quote(HOSTILE),
        f"v=1&model={quote(HOSTILE)}",
        f"v=1&n={quote(HOSTILE)}",
        f"v=1&{quote(HOSTILE)}=1",
        "v=1&n=5000",
        "n=5000",
    ],
)
def test_a_broken_or_hostile_link_has_the_preview_of_the_first_example(query):
    page = previewed(query)
    found = preview(page)
    first = preview(previewed(""))
    assert b"<script>alert(1)" not in page
    assert found["og:title"] == first["og:title"]
    assert found["og:description"] == first["og:description"]


def test_a_link_that_is_too_long_has_the_preview_of_the_first_example(address):
    trip = RoundTrip().to_query()
    for query in (f"v=1&{'a' * 9000}", trip + "&" * 8001, f"v=1&n=250&picture={'x' * 20_000}"):
        answer, page = get(f"{address}?{query}")
        assert answer.status == 200
        assert preview(page)["og:title"] == f"diffdemo: {RoundTrip.question}"
        assert len(preview(page)["og:url"]) < 1000
    assert get(f"{address}card.png?v=1&{'a' * 9000}")[1] == get(f"{address}card.png")[1]


@pytest.mark.parametrize(
    "prompt",
    [
        HOSTILE,
        "\\1 \\g<0> \\q",
        "' onload='x",
        "</head><head>",
        "&quot;&lt;",
        "%3Cscript%3E",
        "猫 𝕏",
    ],
)
@pytest.mark.parametrize("model", ["faces", "CompVis/stable-diffusion-v1-4"])
def test_a_preview_shows_a_prompt_as_it_was_written(prompt, model):
    page = previewed(f"v=1&model={quote(model)}&prompt={quote(prompt)}")
    assert html.escape(prompt).encode() in page
    assert prompt in preview(page[: page.find(b"<script>window")])["og:description"]
    assert page.count(b"<script>") == 1
    assert page.count(b"<head>") == 1


def test_only_tags_before_gradios_script_are_replaced():
    page = previewed("")
    assert b'content="Gradio"' not in page
    assert b'<meta name="twitter:image" content="x">' not in page
    assert page[page.find(b"window.gradio_config") :] == PAGE[PAGE.find(b"window.gradio_config") :]
    assert b"<title>page</title>" not in page
    assert previewed("", b"no page") == b"no page"


def test_the_pages_own_script_runs_before_all_others():
    page = previewed("", script="first()").decode()
    assert page.index("<script>first()</script>") == page.index("<script")


@pytest.mark.parametrize(
    ("protocol", "scheme"),
    [
        ("https", "https"),
        ("https, http", "https"),
        ("http", "http"),
        ("javascript", "https"),
        ("", "http"),
    ],
)
def test_a_preview_has_the_scheme_that_the_visitor_sees(address, protocol, scheme):
    headers = {"x-forwarded-proto": protocol} if protocol else {}
    found = preview(get(address, **headers)[1])
    host = address.removeprefix("http://")
    assert found["og:image"] == f"{scheme}://{host}card.png"
    assert found["og:url"] == f"{scheme}://{host}"


def test_a_hostile_host_is_escaped(address):
    _, page = get(address, host=f"x{HOSTILE}")
    assert b"<script>alert(1)" not in page


def test_endpoints_are_passed_on(address):
    answer, data = get(f"{address}gradio_api/info")
    assert answer.headers["content-type"].startswith("application/json")
    assert b"og:title" not in data
    assert answer.status == 200


def scope_of(path: str, method: str = "GET", query: bytes = b"") -> dict:
    scope = {"type": "http", "method": method, "path": path, "query_string": query}
    return {**scope, "scheme": "http", "headers": [(b"host", b"x")]}


def through(scope: dict, *messages: dict) -> tuple[list, bool]:
    """Return what arrives of an answer, and whether it went straight to the browser."""
    arrived = []
    straight = []

    async def send(message):
        arrived.append(message)

    async def app(scope, receive, own):
        straight.append(own is send)
        for message in messages:
            await own(message)

    finished(Previews(app, Quiet(Runner()))(scope, None, send))
    return arrived, straight == [True]


HEADERS = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"7")]
START = {"type": "http.response.start", "status": 200, "headers": HEADERS}


@pytest.mark.parametrize(
    "scope",
    [
        scope_of("/gradio_api/queue/data"),
        scope_of("/gradio_api/queue/join", "POST"),
        scope_of("/", "POST"),
        scope_of("/card.png", "POST"),
        scope_of("/static/card.png"),
        scope_of("/config"),
        {"type": "websocket", "path": "/", "headers": []},
        {"type": "lifespan"},
    ],
    ids=lambda scope: f"{scope['type']} {scope.get('method')} {scope.get('path')}",
)
def test_streams_and_everything_else_are_passed_on_at_once(scope):
    part = {"type": "http.response.body", "body": b"data: x\n\n", "more_body": True}
    messages = [START, part, part, part]
    assert through(scope, *messages) == (messages, True)


def test_a_page_in_pieces_is_edited_whole():
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    start = {**START, "headers": [*HEADERS, *cookies]}
    pieces = [
        {"type": "http.response.body", "body": PAGE[k : k + 50], "more_body": k + 50 < len(PAGE)}
        for k in range(0, len(PAGE), 50)
    ]
    (first, body), _ = through(scope_of("/"), start, *pieces)
    lengths = [value for name, value in first["headers"] if name == b"content-length"]
    assert body["body"] == previewed("")
    assert lengths == [str(len(body["body"])).encode()]
    assert [pair for pair in first["headers"] if pair[0] == b"set-cookie"] == cookies
    assert not body.get("more_body")


@pytest.mark.parametrize(
    "header", [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]
)
def test_an_answer_that_is_not_a_readable_page_is_left_as_it_is(header):
    others = [pair for pair in HEADERS if pair[0] != header[0]]
    start = {**START, "headers": [*others, header]}
    body = {"type": "http.response.body", "body": PAGE}
    assert through(scope_of("/"), start, body)[0] == [start, body]


def test_a_query_that_is_not_text_does_no_harm():
    body = {"type": "http.response.body", "body": PAGE}
    (_, answer), _ = through(scope_of("/", query=b"v=1&prompt=\xff\xfe%ff"), START, body)
    assert RoundTrip.question.encode() in answer["body"]


def test_too_many_requests_for_cards_are_refused(monkeypatch):
    monkeypatch.setattr(previews, "MAX_WAITING", 0)
    with pytest.raises(previews.HTTPException) as caught:
        through(scope_of("/card.png"))
    assert caught.value.status_code == 503
