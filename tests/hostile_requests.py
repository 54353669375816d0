"""What strangers send to the page besides pictures: requests, each with what must come of it."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hostile_values import DEEP, ODD_VALUES, PUBLIC, shown
from raw_visitor import API, Answer, RawVisitor
from visitors import events as page_events

from diffdemo.lab.experiment import KINDS

SENTENCE = "one sentence"  # an error in one sentence of ours
STATUS = "4xx"  # refused by HTTP
REFUSED = "refused"  # one or the other
HARMLESS = "harmless"  # answered, and nothing is wrong with the answer
NULL = "null"  # refused by Gradio before anything of ours runs, without a word; see GRADIO
GRADIO = {
    "foreign path": "Gradio refuses files outside its upload folder in all that is sent",
    "too few values": "Gradio counts what an event was sent before it calls it",
}
REPOSITORY = Path(__file__).parent.parent
META = {"meta": {"_type": "gradio.FileData"}}
Send = Callable[[RawVisitor], Answer]


@dataclass(frozen=True)
class Request:
    """One hostile request.

    Attributes:
        name: what it is.
        wanted: what must come of it.
        send: sends it.
        why: the key in GRADIO of a request that Gradio refuses without a word.
    """

    name: str
    wanted: str
    send: Send
    why: str = ""


def body(kind: str, **changes: object) -> dict[str, list]:
    """Return what an endpoint is sent for a small experiment, changed."""
    fields = KINDS[kind].fields()
    defaults = {name: field.write(field.default) for name, field in fields.items()}
    small = {"seeds": "0", "levels": "0,500", "steps": 1, "n": 100, "methods": "random"}
    small |= {"points": 1, "futures": 2, "guidance": 1}
    values = {**defaults, **small, **changes}
    return {"data": [values[name] for name in fields if name != "revision"]}


def endpoint(kind: str, **changes: object) -> Send:
    return lambda visitor: visitor.call(kind.replace("-", "_"), body(kind, **changes))


def values() -> Iterator[Request]:
    """Call every endpoint with one value that is wrong."""
    for kind, odd in ODD_VALUES.items():
        for name, some in odd.items():
            for value in some:
                send = endpoint(kind, **{name: value})
                yield Request(f"{kind}: {name} {shown(value)}", SENTENCE, send)
    infinite = json.dumps(body("round-trip", n="@")).replace('"@"', "1e309").encode()
    long = b'{"data":["faces","face:17",' + b"9" * 5000 + b"]}"
    few = {"data": ["faces"]}
    call = "round_trip"
    yield Request("round-trip: n 1e309", SENTENCE, lambda v: v.call(call, infinite))
    yield Request("round-trip: n of 5000 digits", STATUS, lambda v: v.call(call, long))
    yield Request("round-trip: too few", NULL, lambda v: v.call(call, few), "too few values")
    for path in ("/etc/passwd", str(REPOSITORY / "app.py")):
        name = f"round-trip: picture is the file {Path(path).name}"
        send = endpoint("round-trip", picture={"path": path, **META})
        yield Request(name, NULL, send, "foreign path")
    for url in ("http://169.254.169.254/latest", PUBLIC):
        send = endpoint("round-trip", picture={"path": url, **META})
        yield Request(f"round-trip: picture is the file {url}", STATUS, send)


def event(name: str, *data: object, sent: object = None) -> Send:
    return lambda visitor: visitor.trigger(name, *data, event_data=sent)


PORTRAIT = {"picture": "face:17"}
RUN = {"link": "v=1&n=100&seeds=0&steps=1"}
SELECTS = {
    "examples": ("faces",),
    "second-strip": ("faces",),
    "chart": ({"n": 250},),
    "outcomes": (PORTRAIT,),
    "history": (0, PORTRAIT),
    "pad": ("faces",),
    "files": ("faces", None),
    "round-trip-sentence": (RUN, PORTRAIT),
    "stage": (RUN, PORTRAIT),
}
NO_RUNS = (
    None,
    {"link": "v=1&n=5000"},
    {"link": "v=1&model=/etc"},
    {"link": ["x"]},
    {"link": "v=1&picture=sha256:" + "0" * 64},
    DEEP,
)
NAN = float("nan")
NO_INDEX = ({}, {"index": -1, "value": -1}, {"index": NAN, "value": DEEP})
NO_LINE_UPS = (5, "abc", [5], [{"picture": DEEP}], [{"picture": "face:1"}] * 17, {"a": 1})
NO_PIXELS = ([2**24] * 256, [NAN] * 256, ["0"] * 256, [0] * 10**6, "0" * 256, [[0]] * 256)


def selections() -> Iterator[Request]:
    """Select what is not there."""
    for target, data in SELECTS.items():
        for sent in (None, 5, "index", ["index", "value"], *NO_INDEX):
            send = event(f"{target}.select", *data, sent=sent)
            yield Request(f"{target}: {shown(sent)}", SENTENCE, send)
    for value in ("../../etc/passwd", "sheet.exe", 10**300, [["sheet"]]):
        for target in ("round-trip-sentence", "stage"):
            send = event(f"{target}.select", RUN, PORTRAIT, sent={"index": value})
            yield Request(f"{target}: save {shown(value)}", SENTENCE, send)
    for run in NO_RUNS:
        send = event("round-trip-sentence.select", run, None, sent={"index": "sheet"})
        yield Request(f"save the run {shown(run)}", SENTENCE, send)
    for pixels in NO_PIXELS:
        drawing = {"side": 16, "channels": 3, "pixels": pixels}
        name = f"drawing of {len(pixels)} {shown(pixels[0])} in a {type(pixels).__name__}"
        send = event("pad.select", "faces", sent={"value": drawing})
        yield Request(name, SENTENCE, send)


def controls() -> Iterator[Request]:
    """Set the page's controls to what they cannot be."""
    for model in ("cats", "/etc", None, {"path": "x"}, ["faces"], NAN, "a" * 10**6):
        yield Request(
            f"switch to {shown(model)}", SENTENCE, event("model.input", model, {"n": 250})
        )
        yield Request(f"load {shown(model)}", SENTENCE, event("load.click", model))
    for n in (NAN, float("inf"), -1, "abc", None, 10**30, {}):
        for dial in ({"n": n}, n):
            name = f"switch with the dial at {shown(dial)}"
            yield Request(name, SENTENCE, event("model.input", "faces", dial))
    for line_up in NO_LINE_UPS:
        send = event("collect.click", line_up, PORTRAIT)
        yield Request(f"line-up {shown(line_up)}", SENTENCE, send)
    yield Request("model: too few values", NULL, event("model.input", "faces"), "too few values")
    yield Request("run with every control DEEP", SENTENCE, partial(_all_deep, name="run.click"))
    yield Request("stop of what never ran", HARMLESS, partial(_all_deep, name="stop.click"))


def _all_deep(visitor: RawVisitor, name: str) -> Answer:
    """Trigger an event with DEEP as each of its inputs."""
    inputs = page_events(visitor.server.url, name)[0]["inputs"]
    return visitor.trigger(name, *[DEEP] * len(inputs))


def take(file: object) -> Send:
    return event("upload.input", "faces", None, file)


def uploads() -> Iterator[Request]:
    """Name files and addresses in place of an upload."""
    example = str(REPOSITORY / "examples" / "face-17.png")
    outside = ("/etc/passwd", example, "../../../../etc/passwd", "file:///etc/passwd")
    for path in (*outside, "", "\x00", "a" * 5000, "\ud800"):
        name = f"upload of {shown(path)}"
        yield Request(f"{name} without meta", SENTENCE, take({"path": path}))
        yield Request(name, NULL, take({"path": path, **META}), "foreign path")
    for url in (
        "http://127.0.0.1:9/x.png",
        "http://169.254.169.254/x.png",
        PUBLIC,
        "http://[::1]/x.png",
        "HTTPS://diffdemo-canary.invalid",
    ):
        yield Request(f"upload of {url}", STATUS, take({"path": url, **META}))
        yield Request(f"upload of {url} without meta", REFUSED, take({"path": url}))
        yield Request(f"upload of url {url}", REFUSED, take({"url": url, **META}))
    data = "data:image/png;base64," + base64.b64encode(b"x").decode()
    for url in (data, "file:///etc/passwd", "ftp://127.0.0.1/x.png"):
        yield Request(f"upload of url {shown(url)}", REFUSED, take({"url": url, **META}))
    for file in (5, "x", [1], [], {}, {"path": 5}, {"path": DEEP, "url": 5}, DEEP):
        yield Request(f"upload of {shown(file)}", SENTENCE, take(file))
    for path in (5, {"path": "x", **META}):
        send = take({"path": path, **META})
        yield Request(f"upload of {shown(path)} as a path", NULL, send, "foreign path")
    yield from uploads_elsewhere()


def uploads_elsewhere() -> Iterator[Request]:
    """Name what is on the server's disk, and its own address, in place of an upload."""

    def take_there(path: str, **more: object) -> Send:
        return lambda v: take({"path": _filled(path, v), **more})(v)

    foreign = {
        "another folder of /tmp": "{v.canary}",
        "the folder of all uploads": "{v.server.files}",
        "a folder beside": "{v.server.files}/../elsewhere/{v.canary.name}",
    }
    for name, path in foreign.items():
        yield Request(f"upload of {name}", NULL, take_there(path, **META), "foreign path")
    yield Request("upload of /tmp without meta", SENTENCE, take_there("{v.canary}"))
    own = "http://127.0.0.1:{v.server.port}/card.png"
    yield Request("upload of the server's own address", STATUS, take_there(own, **META))


def _filled(path: str, v: RawVisitor) -> str:
    return path.format(v=v, API=API, REPOSITORY=REPOSITORY)


def raw(method: str, path: str, sent: object = None, *kind: str, **headers: str) -> Send:
    return lambda visitor: visitor.send(method, _filled(path, visitor), sent, *kind, **headers)


FILES = (
    "/etc/passwd ../../../../etc/passwd ..%2f..%2f..%2fetc%2fpasswd %00 ~/.bashrc "
    "{REPOSITORY}/app.py {REPOSITORY}/.gitignore "
    "{REPOSITORY}/diffdemo/weights/faces/model_index.json "
    "{v.canary} {v.server.files} {v.server.files}/../elsewhere/{v.canary.name} "
    "file:///etc/passwd ftp://127.0.0.1/x http://127.0.0.1:{v.server.port}/health "
    "http://169.254.169.254/latest"
)
ADDRESSES = (
    "{API}/file/etc/passwd {API}/proxy=http://127.0.0.1:9/x {API}/mcp/ {API}/queue/data "
    "{API}/custom_component/1/client/component/..%2fx {API}/stream/x/y/1/playlist.m3u8 "
    "{API}/deep_link /static/..%2f..%2f..%2fetc/passwd /assets/..%2f..%2f..%2fetc%2fpasswd "
    "/svelte/..%2f..%2fetc%2fpasswd /monitoring /no/such/page /pwa_icon/99999"
)


def addresses() -> Iterator[Request]:
    """Read addresses that name files and other servers."""
    for file in (*FILES.split(), PUBLIC, "a" * 5000):
        yield Request(f"GET file={file[:50]}", STATUS, raw("GET", "{API}/file=" + file))
    for path in (*ADDRESSES.split(), f"{{API}}/proxy={PUBLIC}"):
        yield Request(f"GET {path.replace('{API}', API)[:50]}", STATUS, raw("GET", path))
    yield Request("GET / with 70,000 letters", STATUS, raw("GET", "/?" + "x" * 70_000))
    for method in ("DELETE", "TRACE"):
        yield Request(f"{method} /", STATUS, raw(method, "/"))
    for path in ("/", "/card.png", "/health"):
        yield Request(f"POST {path}", STATUS, raw("POST", path, b"{}"))


CALL = "{API}/call/round_trip"
JOIN = {"data": [], "session_hash": "a"}
PART = {"data": 1, "session_hash": "a", "fn_name": "preprocess"}
CALLS = {
    "nothing": b"",
    "text": b"hello",
    "half of JSON": b'{"data":["faces"',
    "a list": [],
    "no data": {},
    "JSON 3000 deep": b"[" * 3000 + b"]" * 3000,
    "data no list": {"data": {}},
    "no text": b'{"data":["\xff\xfe"]}',
    "30 MB": {"data": ["a" * 30_000_000]},
}
JOINS = {
    "no session": {"data": [], "fn_index": 0},
    "a session that is a number": {"data": [], "fn_index": 0, "session_hash": 5},
    "no event": JOIN,
    "an event that is not there": {**JOIN, "fn_index": 99_999},
    "event -1": {**JOIN, "fn_index": -1},
    "event x": {**JOIN, "fn_index": "x"},
}
ELSEWHERE = {
    "an unknown endpoint": ("{API}/call/nothing", {"data": []}),
    "another unknown endpoint": ("{API}/run/nothing", {"data": []}),
    "an unknown endpoint with names": ("{API}/call/v2/nothing", {}),
    "an unknown value by name": ("{API}/call/v2/round_trip", {"bad": 1}),
    "round_trip past the queue": ("{API}/run/round_trip", {"data": []}),
    "a component's function": ("{API}/component_server", {**PART, "component_id": 1}),
    "a component not there": ("{API}/component_server", {**PART, "component_id": 99_999}),
    "no component": ("{API}/component_server", {}),
    "the MCP server": ("{API}/mcp/", {}),
    "code of the page": ("{API}/vibe-code", {"code": "x"}),
    "a recording": ("{API}/process_recording", {}),
    "a login": ("/login", {}),
    "a stream": ("{API}/stream/x", {"data": []}),
    "an upload that is JSON": ("{API}/upload", {}),
}


def bodies() -> Iterator[Request]:
    """Send bodies that Gradio does not know."""
    calls = {name: (CALL, content) for name, content in CALLS.items()}
    joins = {name: ("{API}/queue/join", content) for name, content in JOINS.items()}
    for name, (path, content) in {**calls, **joins, **ELSEWHERE}.items():
        yield Request(f"POST {name}", STATUS, raw("POST", path, content))
    for kind in ("text/plain", "multipart/form-data; boundary=x", "multipart/form-data"):
        yield Request(f"POST an event as {kind}", STATUS, raw("POST", CALL, b'{"data":[]}', kind))
        yield Request(f"POST an upload as {kind}", STATUS, raw("POST", "{API}/upload", b"x", kind))
    zipped = raw("POST", CALL, b"\x1f\x8b" + bytes(50), content_encoding="gzip")
    yield Request("POST a zipped event", STATUS, zipped)
    large = b"\x89PNG" + bytes(9_000_000)
    yield Request("upload of 9 MB", STATUS, lambda v: v.upload(large))
    yield Request("upload named ..", STATUS, lambda v: v.upload(b"x", ".."))
    for name in ("../../../canary.png", "a" * 3000 + ".png", "a\u202e.png", "a;rm -rf b.png"):
        yield Request(f"upload named {shown(name)}", HARMLESS, partial(_upload_as, name=name))


def _upload_as(visitor: RawVisitor, name: str) -> Answer:
    """Upload a file under an odd name; it must be in the folder of uploads all the same."""
    answer = visitor.upload(b"x", name)
    folder = visitor.server.files.resolve()
    if not answer.failed and Path(answer.data).resolve().is_relative_to(folder):
        return answer
    return Answer(answer.status, f"It is at {answer.data}.", failed=True)


LINKS = (
    f"v=1&n=5000 v=2 v=1&picture=png:AAAA v=1&n=%00 v=1&prompt=%ED%A0%80 v=1&picture={PUBLIC} "
    "v=1&model=/etc/passwd kind=x&v=1 v=1&n=NaN&__theme=dark v=1&seeds=0-999999999 v=1&prompt=a "
    f"v=1&n=%D9%A3 v=1&picture=digit:10000 v=1&{'a' * 9000}"
).split()


def links() -> Iterator[Request]:
    """Open broken links: the page, what it says, and the card."""
    for query in LINKS:
        yield Request(f"GET /?{query[:40]}", HARMLESS, raw("GET", f"/?{query}"))
        yield Request(f"arrive by {query[:40]}", SENTENCE, partial(_notice, query=query))
    for query in LINKS[:4]:
        yield Request(f"GET /card.png?{query[:40]}", HARMLESS, raw("GET", f"/card.png?{query}"))


def _notice(visitor: RawVisitor, query: str) -> Answer:
    """Return what the page says about a broken link, as an error."""
    answer = visitor.join({"data": [None], "fn_index": visitor.event("arrive")}, query)
    notices = [part for part in answer.data or () if isinstance(part, dict) and "run" in part]
    text = notices[0]["text"] if notices else ""
    instead = " The page shows its first example instead."
    if not text.endswith(instead):
        return Answer(answer.status, text)
    return Answer(answer.status, text.removesuffix(instead), failed=True)


def requests() -> Iterable[Request]:
    """Return all of them."""
    some = (values, selections, controls, uploads, addresses, bodies, links)
    return [request for each in some for request in each()]
