"""What strangers send to the page besides pictures: requests by name, each with what must come of it."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from raw_visitor import API, Answer, Visitor

from diffdemo.experiment import KINDS
from diffdemo.fields import FIELDS

SENTENCE = "one sentence"  # an error in one sentence of ours
STATUS = "4xx"  # refused by HTTP
REFUSED = "refused"  # one or the other
HARMLESS = "harmless"  # answered, and nothing is wrong with the answer
NULL = "null"  # refused by Gradio before anything of ours runs, without a word; `GRADIO` says why
GRADIO = {
    "foreign path": "Gradio looks for files in all that is sent, and refuses those outside of its upload folder itself",
    "too few values": "Gradio counts what an event was sent before it calls it",
}
REPOSITORY = Path(__file__).parent.parent
NAN, INFINITE = float("nan"), float("inf")
META = {"meta": {"_type": "gradio.FileData"}}
DEEP = json.loads("[" * 900 + "]" * 900)
PUBLIC = "http://diffdemo-canary.invalid/x.png"  # a name that no name server knows


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
    send: Callable[[Visitor], Answer]
    why: str = ""


def body(kind: str, **changes: Any) -> dict[str, list[Any]]:
    """What an endpoint is sent for a small experiment, changed."""
    names = [item.name for item in fields(KINDS[kind]) if item.name != "revision"]  # type: ignore[arg-type]
    small = {"seeds": "0", "levels": "0,500", "steps": 1, "points": 1, "futures": 2, "n": 100, "methods": "random"}
    plain = {item.name: FIELDS[item.name].write(item.default) for item in fields(KINDS[kind])}  # type: ignore[arg-type]
    return {"data": [{**plain, "guidance": 1, **small, **changes}[name] for name in names]}


def endpoint(kind: str, **changes: Any) -> Callable[[Visitor], Answer]:
    return lambda served: served.call(kind.replace("-", "_"), body(kind, **changes))


ODD_VALUES: dict[str, dict[str, list[Any]]] = {
    "round-trip": {
        "n": [NAN, INFINITE, -1, "abc", None, 1001, 10**30, 10**4000, 5.7, True, [], {}, "٣", "1e2", "-0"],
        "seeds": ["0-999999999", "0-64", "", "1,1", "3-1", NAN, -1, None, [], [0] * 65, list(range(10**5)), {"0": 1}, "9" * 5000, 10**9],
        "steps": [0, 10**9, NAN, "1;2"], "eta": [NAN, -INFINITE, "1e999", 1.01, "0.5.5"], "start": ["nothing"],
        "solver": ["euler", None, 5, ["ddim"]],
        "picture": ["../x.png", "/etc/passwd", PUBLIC, "png:AAAA", "png:" + "A" * 5000, "png:\x00", "sha256:" + "0" * 64, "digit:10000", "face:-1",
                    DEEP, None, "data:image/png;base64,AAAA", "file:///etc/passwd"],
        "model": ["/etc", "../weights", "cats", None, "google/ddpm-cat-256", "faces\x00", "faces\ud800", "a" * 10**6, ["faces"]],
        "prompt": ["a\nb", "a\x00b", "\ud800", "a" * 10**6, "a dog"], "guidance": [0, NAN, "20e1", None],
    },
    "curve": {"levels": ["9,3", "0:1000:1", "0:1000:0", "-1", NAN, [0.5], "0,1001"]},
    "embed": {"methods": ["magic", [[1]], [], "", {"ddim": 1}, 5], "warm": [2, NAN], "n": [0], "other": ["../x", "sha256:" + "0" * 64, None]},
    "collide": {"other": ["", None, "png:AAAA"], "seed": [2**31 - 1, -1, 0.5, "1e309"]},
    "belief": {"line_up": ["../x", ",".join(["face:1"] * 17), "face:1,", 5, "A" * 10**6]},
    "branch": {"points": [0, 33], "futures": [1, 10**9], "jump": [21, None], "seed": [2**31 - 1]},
}  # fmt: skip


def shown(value: Any) -> str:
    """A value as a name of a request has it."""
    text = ascii(value) if isinstance(value, str) else repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "of 4001 digits"
    return text if len(text) < 24 else f"{text[:20]}…"


def values() -> Iterator[Request]:
    """Every endpoint with one value that is wrong."""
    for kind, odd in ODD_VALUES.items():
        for name, some in odd.items():
            for value in some:
                yield Request(f"{kind}: {name} {shown(value)}", SENTENCE, endpoint(kind, **{name: value}))
    infinite = json.dumps(body("round-trip", n="@")).replace('"@"', "1e309").encode()
    yield Request("round-trip: n 1e309", SENTENCE, lambda s: s.call("round_trip", infinite))
    yield Request("round-trip: n of 5000 digits", STATUS, lambda s: s.call("round_trip", b'{"data":["faces","face:17",' + b"9" * 5000 + b"]}"))
    yield Request("round-trip: too few values", NULL, lambda s: s.call("round_trip", {"data": ["faces"]}), "too few values")
    for path in ("/etc/passwd", str(REPOSITORY / "app.py")):
        file = {"path": path, **META}
        yield Request(f"round-trip: picture is the file {Path(path).name}", NULL, endpoint("round-trip", picture=file), "foreign path")
    for url in ("http://169.254.169.254/latest", PUBLIC):
        yield Request(f"round-trip: picture is the file {url}", STATUS, endpoint("round-trip", picture={"path": url, **META}))


def event(target: str, happened: str, *data: Any, sent: Any = None) -> Callable[[Visitor], Answer]:
    return lambda served: served.post(target, happened, *data, event_data=sent)


def events() -> Iterator[Request]:
    """The page's own events, which anybody can call."""
    portrait, link = {"picture": "face:17"}, {"link": "v=1&n=100&seeds=0&steps=1"}
    targets = {
        "examples": ("faces",), "second-strip": ("faces",), "readouts": (), "chart": (), "pad": ("faces",), "files": ("faces", None),
        "round-trip-sentence": (link, portrait), "map": (link, portrait),
    }  # fmt: skip
    for target, data in targets.items():
        for sent in (None, 5, "index", ["index", "value"], {}, {"index": -1, "value": -1}, {"index": NAN, "value": DEEP}):
            yield Request(f"{target}: {shown(sent)}", SENTENCE, event(target, "select", *data, sent=sent))
    for value in ("../../etc/passwd", "sheet.exe", 10**300, [["sheet"]]):
        yield Request(f"save kind {shown(value)}", SENTENCE, event("round-trip-sentence", "select", link, portrait, sent={"index": value}))
        yield Request(f"tile {shown(value)}", SENTENCE, event("map", "select", link, portrait, sent={"index": value}))
    for value in (None, {"link": "v=1&n=5000"}, {"link": "v=1&model=/etc"}, {"link": ["x"]}, {"link": "v=1&picture=sha256:" + "0" * 64}, DEEP):
        yield Request(f"save the run {shown(value)}", SENTENCE, event("round-trip-sentence", "select", value, None, sent={"index": "sheet"}))
    for pixels in ([2**24] * 256, [NAN] * 256, ["0"] * 256, [0] * 10**6, "0" * 256, [[0]] * 256):
        drawing = {"side": 16, "channels": 3, "pixels": pixels}
        yield Request(
            f"drawing of {len(pixels)} {shown(pixels[0])} in a {type(pixels).__name__}",
            SENTENCE,
            event("pad", "select", "faces", sent={"value": drawing}),
        )
    for model in ("cats", "/etc", None, {"path": "x"}, ["faces"], NAN, "a" * 10**6):
        yield Request(f"switch to {shown(model)}", SENTENCE, event("model", "input", model, 250))
        yield Request(f"load {shown(model)}", SENTENCE, event("load", "click", model))
    for n in (NAN, INFINITE, -1, "abc", None, 10**30, {}):
        yield Request(f"dial {shown(n)}", SENTENCE, event("dial", "input", "faces", n))
    for collected in (5, "abc", [5], [{"picture": DEEP}], [{"picture": "face:1"}] * 17, {"a": 1}):
        yield Request(f"line-up {shown(collected)}", SENTENCE, event("collect", "click", collected, portrait))
    yield Request("dial: too few values", NULL, event("dial", "input", "faces"), "too few values")
    yield Request("run of all controls at once", SENTENCE, event("run", "click", *[DEEP] * 29))
    yield Request("stop of what never ran", HARMLESS, event("stop", "click", *[DEEP] * 6))


def payloads() -> Iterator[Request]:
    """Files that nobody uploaded, in the place of an upload."""

    def take(file: Any) -> Callable[[Visitor], Answer]:
        return lambda served: served.post("upload", "input", "faces", None, file(served) if callable(file) else file)

    example = str(REPOSITORY / "examples" / "face-17.png")
    for path in ("/etc/passwd", example, "../../../../etc/passwd", "", "\x00", "a" * 5000, "\ud800", "file:///etc/passwd"):
        yield Request(f"upload of {shown(path)} without meta", SENTENCE, take({"path": path}))
        yield Request(f"upload of {shown(path)}", NULL, take({"path": path, **META}), "foreign path")
    yield Request("upload of another folder of /tmp", NULL, take(lambda s: {"path": str(s.canary), **META}), "foreign path")
    yield Request("upload of another folder of /tmp without meta", SENTENCE, take(lambda s: {"path": str(s.canary)}))
    yield Request("upload of the folder of all uploads", NULL, take(lambda s: {"path": str(s.files), **META}), "foreign path")
    yield Request("upload from a folder beside", NULL, take(lambda s: {"path": f"{s.files}/../elsewhere/{s.canary.name}", **META}), "foreign path")
    for url in ("http://127.0.0.1:9/x.png", "http://169.254.169.254/x.png", PUBLIC, "http://[::1]/x.png", "HTTPS://diffdemo-canary.invalid"):
        yield Request(f"upload of {url}", STATUS, take({"path": url, **META}))
        yield Request(f"upload of {url} without meta", REFUSED, take({"path": url}))
        yield Request(f"upload of url {url}", REFUSED, take({"url": url, **META}))
    yield Request("upload of the server's own address", STATUS, take(lambda s: {"path": f"http://127.0.0.1:{s.port}/card.png", **META}))
    for url in ("data:image/png;base64," + base64.b64encode(b"x").decode(), "file:///etc/passwd", "ftp://127.0.0.1/x.png"):
        yield Request(f"upload of url {shown(url)}", REFUSED, take({"url": url, **META}))
    for file in (5, "x", [1], [], {}, {"path": 5}, {"path": DEEP, "url": 5}, DEEP):
        yield Request(f"upload of {shown(file)}", SENTENCE, take(file))
    for path in (5, {"path": "x", **META}):
        yield Request(f"upload of {shown(path)} as a path", NULL, take({"path": path, **META}), "foreign path")


def raw(method: str, path: str, sent: Any = None, kind: str = "application/json", **headers: str) -> Callable[[Visitor], Answer]:
    return lambda served: served.ask(method, path.format(served=served, API=API, REPOSITORY=REPOSITORY), sent, kind, **headers)


def paths() -> Iterator[Request]:
    """Addresses that name files and other servers."""
    files = (
        "/etc/passwd", "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "{REPOSITORY}/app.py", "{REPOSITORY}/.gitignore", "%00", "~/.bashrc",
        "{REPOSITORY}/diffdemo/weights/faces/model_index.json", "a" * 5000,
        "{served.canary}", "{served.files}", "{served.files}/../elsewhere/{served.canary.name}",
        "file:///etc/passwd", "ftp://127.0.0.1/x", "http://127.0.0.1:{served.port}/health", "http://169.254.169.254/latest", PUBLIC,
    )  # fmt: skip
    for file in files:
        yield Request(f"GET file={file[:50]}", STATUS, raw("GET", "{API}/file=" + file))
    others = (
        "{API}/file/etc/passwd", "{API}/proxy=http://127.0.0.1:9/x", f"{{API}}/proxy={PUBLIC}", "/static/..%2f..%2f..%2fetc/passwd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd", "/svelte/..%2f..%2fetc%2fpasswd", "{API}/custom_component/1/client/component/..%2fx", "{API}/mcp/",
        "{API}/stream/x/y/1/playlist.m3u8", "/monitoring", "{API}/queue/data", "/no/such/page", "{API}/deep_link", "/pwa_icon/99999",
    )  # fmt: skip
    for path in others:
        yield Request(f"GET {path.replace('{API}', API)[:50]}", STATUS, raw("GET", path))
    yield Request("GET / with an address of 70,000 letters", STATUS, raw("GET", "/?" + "x" * 70_000))
    for method, path in (("DELETE", "/"), ("TRACE", "/"), ("POST", "/"), ("POST", "/card.png"), ("POST", "/health")):  # /health awaits guard
        yield Request(f"{method} {path}", STATUS, raw(method, path, b"{}" if method == "POST" else None))


def bodies() -> Iterator[Request]:
    """Requests whose body is none that Gradio knows."""
    call, queue = "{API}/call/round_trip", "{API}/queue/join"
    join, part = {"data": [], "session_hash": "a"}, {"data": 1, "session_hash": "a", "fn_name": "preprocess"}
    sent: dict[str, tuple[str, Any]] = {
        "nothing": (call, b""), "text": (call, b"hello"), "half of JSON": (call, b'{"data":["faces"'), "a list": (call, []), "no data": (call, {}),
        "JSON 3000 deep": (call, b"[" * 3000 + b"]" * 3000), "data no list": (call, {"data": {}}), "no text": (call, b'{"data":["\xff\xfe"]}'),
        "an unknown endpoint": ("{API}/call/nothing", {"data": []}), "another unknown endpoint": ("{API}/run/nothing", {"data": []}),
        "an unknown endpoint with names": ("{API}/call/v2/nothing", {}), "an unknown value by name": ("{API}/call/v2/round_trip", {"bad": 1}),
        "round_trip past the queue": ("{API}/run/round_trip", {"data": []}), "no session": (queue, {"data": [], "fn_index": 0}),
        "a session that is a number": (queue, {"data": [], "fn_index": 0, "session_hash": 5}), "no event": (queue, join),
        "an event that is not there": (queue, {**join, "fn_index": 99_999}), "event -1": (queue, {**join, "fn_index": -1}),
        "event x": (queue, {**join, "fn_index": "x"}), "a component's function": ("{API}/component_server", {**part, "component_id": 1}),
        "a component that is not there": ("{API}/component_server", {**part, "component_id": 99_999}), "no component": ("{API}/component_server", {}),
        "the MCP server": ("{API}/mcp/", {}), "code of the page": ("{API}/vibe-code", {"code": "x"}), "a recording": ("{API}/process_recording", {}),
        "a login": ("/login", {}), "a stream": ("{API}/stream/x", {"data": []}), "an upload that is JSON": ("{API}/upload", {}),
        "30 MB": (call, {"data": ["a" * 30_000_000]}),
    }  # fmt: skip
    for name, (path, content) in sent.items():  # unknown names, events and components, and 30 MB, await guard
        yield Request(f"POST {name}", STATUS, raw("POST", path, content))
    for kind in ("text/plain", "multipart/form-data; boundary=x", "multipart/form-data"):
        yield Request(f"POST an event as {kind}", STATUS, raw("POST", call, b'{"data":[]}', kind))
        yield Request(f"POST an upload as {kind}", STATUS, raw("POST", "{API}/upload", b"x", kind))
    yield Request("POST a zipped event", STATUS, raw("POST", call, b"\x1f\x8b" + bytes(50), content_encoding="gzip"))
    yield Request("upload of 9 MB", STATUS, lambda s: s.upload(b"\x89PNG" + bytes(9_000_000)))
    yield Request("upload named ..", STATUS, lambda s: s.upload(b"x", ".."))
    for name in ("../../../canary.png", "a" * 3000 + ".png", "a\u202e.png", "a;rm -rf b.png"):
        yield Request(f"upload named {shown(name)}", HARMLESS, partial(_stays, name=name))


def _stays(served: Visitor, name: str) -> Answer:
    """An upload under an odd name lies in the folder of uploads all the same."""
    answer = served.upload(b"x", name)
    inside = not answer.failed and Path(answer.data).resolve().is_relative_to(served.files.resolve())
    return answer if inside else Answer(answer.status, f"Lies at {answer.data}.", failed=True)


LINKS = (
    "v=1&n=5000", "v=2", "v=1&picture=png:AAAA", "v=1&n=%00", "v=1&prompt=%ED%A0%80", "v=1&model=/etc/passwd", f"v=1&picture={PUBLIC}",
    "kind=x&v=1", "v=1&n=NaN&__theme=dark", "v=1&seeds=0-999999999", "v=1&prompt=a", "v=1&" + "a" * 9000, "v=1&n=%D9%A3", "v=1&picture=digit:10000",
)  # fmt: skip


def links() -> Iterator[Request]:
    """Broken links: the page, what it says, and the card."""
    for query in LINKS:
        yield Request(f"GET /?{query[:40]}", HARMLESS, raw("GET", f"/?{query}"))
        yield Request(f"arrive by {query[:40]}", SENTENCE, partial(_notice, query=query))
    for query in LINKS[:4]:
        yield Request(f"GET /card.png?{query[:40]}", HARMLESS, raw("GET", f"/card.png?{query}"))


def _notice(served: Visitor, query: str) -> Answer:
    """What the page says of a broken link, as an error."""
    load = served.event("_arrive")
    answer = served.join({"data": [None], "fn_index": load["id"]}, query)
    said = [part["text"] for part in answer.data or () if isinstance(part, dict) and "run" in part]
    rest = " The page shows its first example instead."
    return Answer(answer.status, said[0].removesuffix(rest), failed=True) if said and said[0].endswith(rest) else Answer(answer.status, str(said))


def requests() -> list[Request]:
    """All of them."""
    return [*values(), *events(), *payloads(), *paths(), *bodies(), *links()]
