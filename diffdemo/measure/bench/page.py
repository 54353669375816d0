"""How long a visitor waits after pressing the dial, in headless Chromium, and how dragging feels.

To the first picture, and to the result of 8 seeds.
"""

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from diffdemo.errors import DiffdemoError
from diffdemo.measure.bench.browser import PATIENCE, opened
from diffdemo.measure.bench.start import served

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page

# Records when the dial was pressed, when a frame was due after the first picture changed, and
# when the address was that of the result at this n.
CLOCK = """() => {
  const first = () => document.querySelector('#stage canvas.reconstruction')?.toDataURL();
  const link = () => new URLSearchParams(location.search).get('n');
  const all = {subtree: true, childList: true, characterData: true, attributes: true};
  let before, times = null;
  const begin = () => {
    before = first();
    times = {began: performance.now()};
    window.waited = null;
  };
  const look = () => {
    if (!times) return;
    const n = document.documentElement.dataset.n;
    if (!times.picture && first() && first() !== before) times.picture = performance.now();
    const done = link() === n;
    if (times.picture && done) {
      window.waited = [times.picture - times.began, performance.now() - times.began];
      times = null;
    }
  };
  addEventListener('pointerdown', begin, true);
  new MutationObserver(() => requestAnimationFrame(look)).observe(document.body, all);
}"""
READY = "document.querySelectorAll('#stage .pair.back, #stage .pair.changed').length > 0"
POLLING = 250  # milliseconds; by default in every frame, which keeps a core busy
PAUSE = 300  # milliseconds
SLOWER = 4  # times, while the dial is dragged
MOVES = 120  # of the mouse
COUNT_FRAMES = """() => {
  const began = performance.now();
  let frames = 0, going = true;
  const next = () => { frames++; if (going) requestAnimationFrame(next); };
  requestAnimationFrame(next);
  window.framed = () => { going = false; return [frames, performance.now() - began]; };
}"""


@dataclass(frozen=True)
class Wait:
    """What a visitor of the page waits for.

    Attributes:
        picture, result: median seconds from pressing the dial to the first picture, and to the
            result.
        frames: frames a second while the dial is dragged, on a CPU slowed down SLOWER times.
        requests: sent to the server meanwhile.
    """

    picture: float
    result: float
    frames: float
    requests: int


def measure(rounds: int = 9) -> Wait:
    """Press the dial at `rounds` places of one page; one more before is not measured. Then drag it.

    Raises:
        DiffdemoError: rounds is below 1, or there is no Chromium or no playwright.
    """
    if rounds < 1:
        raise DiffdemoError("The page is measured in at least 1 round.")
    with opened() as browser, served() as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_function(READY)
        page.evaluate(CLOCK)
        dial = page.locator("#dial input[type=range]").bounding_box()
        if dial is None:
            raise DiffdemoError("The page shows no dial to move.")
        waits = []
        for place in range(rounds + 1):
            share = 0.2 + 0.7 * ((place * 0.618) % 1)  # never the same n twice
            page.mouse.click(dial["x"] + share * dial["width"], dial["y"] + dial["height"] / 2)
            page.wait_for_function("window.waited", polling=POLLING)
            waits.append(page.evaluate("window.waited"))
            page.wait_for_timeout(PAUSE)
        frames, requests = _drag(page, dial)
    pictures, results = zip(*waits[1:], strict=True)
    return Wait(1e-3 * median(pictures), 1e-3 * median(results), frames, requests)


def _drag(page: "Page", dial: "FloatRect") -> tuple[float, int]:
    """Drag the dial along; returns frames a second, and requests to the server meanwhile."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    middle = dial["y"] + dial["height"] / 2
    page.mouse.move(dial["x"] + 0.1 * dial["width"], middle)
    page.mouse.down()
    sent.clear()
    page.evaluate(COUNT_FRAMES)
    for move in range(MOVES):
        page.mouse.move(dial["x"] + (0.1 + 0.8 * move / MOVES) * dial["width"], middle)
    count, milliseconds = page.evaluate("window.framed()")
    outside = [url for url in sent if url.startswith("http")]
    page.mouse.up()
    return 1e3 * count / milliseconds, len(outside)
