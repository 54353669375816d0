"""How long a visitor waits after letting go of the dial: to the first picture, and to the result of 16 seeds, in headless Chromium.

Needs playwright and a Chromium, which the page itself does not.
"""

from dataclasses import dataclass
from statistics import median

from diffdemo.bench.browser import PATIENCE, opened
from diffdemo.bench.start import served
from diffdemo.errors import DiffdemoError

# keeps when the dial was let go of, when a frame was due after the first picture changed, and when the sentence was about this n
_CLOCK = """() => {
  const first = () => document.querySelector('#map .tile.reconstruction image')?.getAttribute('href');
  const said = () => document.querySelector('#round-trip-sentence .text')?.textContent || '';
  const all = {subtree: true, childList: true, characterData: true, attributes: true};
  let before, times = null;
  addEventListener('pointerup', () => { before = first(); times = {began: performance.now()}; window.waited = null; }, true);
  const look = () => {
    if (!times) return;
    const n = document.querySelector('#dial input[type=number]').value;
    if (!times.picture && first() && first() !== before) times.picture = performance.now();
    if (times.picture && said().startsWith('Of ') && said().includes(` of ${n} steps`)) {
      window.waited = [times.picture - times.began, performance.now() - times.began];
      times = null;
    }
  };
  new MutationObserver(() => requestAnimationFrame(look)).observe(document.body, all);
}"""


@dataclass(frozen=True)
class Wait:
    """Seconds after the dial was let go of, medians: to the first picture, and to the finished result."""

    picture: float
    result: float


def measure(rounds: int = 9) -> Wait:
    """Let go of the dial at `rounds` places, the same page and server all along; one unmeasured before.

    Raises:
        DiffdemoError: rounds is below 1, or there is no Chromium or no playwright.
    """
    if rounds < 1:
        raise DiffdemoError("The page is measured in at least 1 round.")
    with opened() as browser, served() as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_function("(document.querySelector('#round-trip-sentence .text')?.textContent || '').startsWith('Of ')")
        page.evaluate(_CLOCK)
        dial, found = page.locator("#dial input[type=range]").bounding_box(), []
        if dial is None:
            raise DiffdemoError("The page shows no dial to move.")
        for place in range(rounds + 1):
            share = 0.2 + 0.7 * ((place * 0.618) % 1)  # never the same n twice
            page.mouse.click(dial["x"] + share * dial["width"], dial["y"] + dial["height"] / 2)
            page.wait_for_function("window.waited", polling=250)  # by default in every frame, which keeps a core busy
            found.append(page.evaluate("window.waited"))
            page.wait_for_timeout(300)
    pictures, results = ([1e-3 * wait[part] for wait in found[1:]] for part in (0, 1))
    return Wait(median(pictures), median(results))
