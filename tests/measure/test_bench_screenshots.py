"""Pictures of the page: of every tab, in every look, and not before its result is there."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from chromium import in_browser
from PIL import Image

from diffdemo.__main__ import main
from diffdemo.errors import DiffdemoError
from diffdemo.measure.bench import browser, screenshots, start

SERVER = """
import functools, http.server as h, pathlib, sys
handler = functools.partial(h.SimpleHTTPRequestHandler, directory=pathlib.Path(__file__).parent)
h.HTTPServer(('127.0.0.1', int(sys.argv[-1])), handler).serve_forever()
"""
# Two tabs; the second has its result, which turns it green, a second after it was opened.
PAGE = """
<!doctype html>
<style>.dark { background: black } p { margin: 0; height: 1000px }</style>
<div id="stage"><b class="pair">.</b></div>
<div role="tabpanel"><p class="question">?</p>
<div id="it-sentence">.<div class="share"></div></div></div>
<div id="contents"><button class="step"><span class="name">First</span></button>
<button class="step"><span class="name">Is x_T it?</span></button></div>
<script>
document.body.className = new URL(location).searchParams.get('__theme');
const [first, second] = document.querySelectorAll('button');
const share = document.querySelector('.share');
first.onclick = () => share.replaceChildren(document.createElement('button'));
second.onclick = () => {
  share.replaceChildren();
  setTimeout(() => {
    document.querySelector('p').style.background = 'lime';
    share.append(document.createElement('button'));
  }, 1000);
};
</script>
"""


@in_browser
def test_every_tab_is_taken_in_every_look_once_it_is_finished(tmp_path, monkeypatch, capsys):
    (tmp_path / "app.py").write_text(SERVER)
    (tmp_path / "index.html").write_text(PAGE)
    monkeypatch.setattr(start, "APP", tmp_path / "app.py")
    monkeypatch.setattr(screenshots, "SETTLE", 50)
    out = tmp_path / "out"
    # in a thread of its own, for the loop of the tests' own browser may be running in this one
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(main, ["screenshots", "--out", str(out)]).result() == 0
    names = {
        f"{name}-{width}" for name in ("first", "is-x-t-it") for width in (1920, 1280, 820, 390)
    }
    files = {f"{name}-{theme}.png" for name in names for theme in ("light", "dark")}
    assert {path.name for path in out.iterdir()} == files
    assert {line.rpartition("/")[2] for line in capsys.readouterr().out.split()} == files
    for name in files:
        picture = Image.open(out / name).convert("RGB")
        assert picture.width == int(name.split("-")[-2])
        assert picture.height > 1000  # the full page
        corner = (255, 255, 255) if name.endswith("-light.png") else (0, 0, 0)
        assert picture.getpixel((1, 1)) == corner
        green = picture.getpixel((picture.width // 2, 900)) == (0, 255, 0)
        assert green == name.startswith("is-x-t")


def test_without_a_browser_there_is_one_sentence_and_no_server(monkeypatch, tmp_path):
    monkeypatch.setattr(browser, "chromium", lambda: None)
    with pytest.raises(DiffdemoError, match="playwright"):
        next(screenshots.take(tmp_path))
