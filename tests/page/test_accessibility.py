"""Every tab with its result: axe, the Tab key, reduced motion, and the width of a phone."""

import chromium
import pytest
from chromium import expect, in_browser

try:
    from axe_playwright_python.sync_playwright import Axe
except ImportError:
    Axe = None

pytestmark = in_browser
LINKS = {  # small ones: what matters is that everything is there
    "round-trip": "picture=face:17&n=250&seeds=0-3&steps=4",
    "curve": "levels=0:1000:250&seeds=0-1&steps=2",
    "embed": "n=100&seeds=0&steps=2&methods=random,ddim,edit-friendly,dpm-encoder&other=face:4",
    "collide": "n=400&steps=2",
    "belief": "picture=face:17&n=400&line_up=face:17,face:4,face:12",
    "branch": "seed=0&points=3&futures=2&steps=4",
}
ANSWER = "answer"  # the tab that is about the runs of the others
DRAWN = {
    "round-trip": "#stage .pairs",
    "curve": "#chart .plot svg",
    "embed": "#embed .errors svg",
    "collide": "#collide .odds svg",
    "belief": "#belief .track svg",
    "branch": "#branch .decided svg",
    ANSWER: "#answer .answers",
}
# Width and theme → what axe checks. Only colours depend on the theme, and not on the width.
LOOKS = {
    (1280, "light"): {},
    (1280, "dark"): {"runOnly": ["color-contrast"]},
    (390, "light"): {"rules": {"color-contrast": {"enabled": False}}},
}
# opens whatever is folded in the open tab and the settings, so that nothing escapes
_UNFOLD = """() => {
  document.querySelectorAll('button.label-wrap:not(.open)').forEach(fold => {
    if (fold.checkVisibility()) fold.click();
  });
  document.querySelectorAll('details').forEach(fold => { fold.open = true; });
}"""


@pytest.fixture(scope="module", params=DRAWN)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def tab(kind, browser, address):
    """A tab with its result and everything unfolded, and the part of the page to look at.

    That is the whole page for the first tab, then what differs.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(chromium.WAIT)
    run = "round-trip" if kind == ANSWER else kind
    page.goto(f"{address}?v=1&kind={run}&{LINKS[run]}")
    page.wait_for_url("**revision=**")  # the link of the finished run
    page.wait_for_selector(f"#{run}-sentence .share button", state="attached")
    if kind == ANSWER:
        chromium.open_tab(page, "The answer")
        page.wait_for_selector("#answer li a")
    page.evaluate(_UNFOLD)
    page.wait_for_function(chromium.STILL)
    if kind == "round-trip":  # nothing is fetched any more, so nothing waits and Stop is away
        page.wait_for_function(
            "diffdemoOutcomes.levels.length === diffdemoOutcomes.rows.size && diffdemoOutcomes.base"
        )
    yield page, "body" if kind == "round-trip" else "#tabs"
    page.close()


# Numbers the controls in sight, each as one stop of the Tab key. Radios of one name are one stop,
# and so are controls among which the arrow keys move.
_STOPS = """part => {
  const all = 'a[href], button, input, select, textarea, summary, canvas, [role=button],'
    + '[role=radio], [role=tab], [role=slider], [tabindex]';
  const visible = {visibilityProperty: true, opacityProperty: true};
  const seen = node =>
    node.checkVisibility(visible) && node.getClientRects().length && !node.disabled
    && !node.closest('[aria-hidden=true], [inert]');
  const group = node => {
    if (node.type === 'radio' && node.name) return document.querySelector(`[name="${node.name}"]`);
    const groups = '[role=group], [role=radiogroup]';
    const whole = node.matches('[role]') && node.parentElement.closest(groups);
    return whole && whole.querySelector('[role][tabindex="-1"]') ? whole : node;
  };
  const stops = new Map(), names = [];
  window.stopOf = node => stops.get(group(node));
  window.before = null;
  document.querySelectorAll(all).forEach(node => {
    if (!node.closest(part) || !seen(node) || stops.has(group(node))) return;
    stops.set(group(node), names.length);
    const words = node.textContent.trim().slice(0, 40);
    const label = node.getAttribute('aria-label');
    names.push(`${node.tagName} ${node.id || label || words || node.className}`);
  });
  if (part === 'body') document.activeElement.blur();
  else [...document.querySelectorAll('#way button')].filter(seen).at(-1).focus();
  return names;
}"""
# where the focus is, and whether the place it came from looked different while it had it
_STEP = """() => {
  const outline = style => style.outlineStyle + style.outlineWidth + style.outlineColor;
  const ring = node => [node, node.closest('label')].filter(Boolean)
    .map(part => getComputedStyle(part))
    .map(style => [style.outlineStyle === 'none' ? '' : outline(style), style.boxShadow].join())
    .join();
  const last = window.before, node = document.activeElement;
  const words = node.getAttribute('aria-label') || node.textContent.slice(0, 40);
  const same = last && last.node.isConnected && ring(last.node) === last.ring;
  const plain = same ? last.name : null, at = window.stopOf(node) ?? null;
  const where = `${node.tagName}#${node.id}.${node.getAttribute('class')}`;
  const name = node === document.body ? null : `${where} ${words}`;
  window.before = at === null ? null : {node, ring: ring(node), name};
  return [at, plain, name];
}"""


def test_the_tab_key_reaches_every_control_in_sight_and_shows_where_it_is(tab):
    page, part = tab
    names = page.evaluate(_STOPS, part)
    reached, plain, beyond = [], [], None
    for _ in range(2 * len(names) + 10):
        page.keyboard.press("Tab")
        at, unmarked, beyond = page.evaluate(_STEP)
        plain += [unmarked] if unmarked else []
        if at is not None:
            reached.append(at)
        elif reached:
            break
    else:
        pytest.fail(
            f"The Tab key never leaves this part of the page: {[names[at] for at in reached[-5:]]}"
        )
    assert [name for at, name in enumerate(names) if at not in reached] == [], f"left for {beyond}"
    assert plain == []
    assert len(names) > 8


def test_nothing_moves_by_itself_where_less_motion_is_wanted(tab):
    page, _ = tab
    moving = page.evaluate("""() => {
      const seconds = text => Math.max(...text.split(',').map(parseFloat));
      const look = (node, part) => {
        const style = getComputedStyle(node, part || null);
        const animated = style.animationName !== 'none' && seconds(style.animationDuration) > 0;
        const still = seconds(style.transitionDuration) === 0 && !animated;
        const name = `${node.tagName}.${node.getAttribute('class')}${part}`;
        return still && style.scrollBehavior === 'auto' ? null : name;
      };
      const parts = ['', '::before', '::after'];
      return [...document.querySelectorAll('body, body *')]
        .flatMap(node => parts.map(part => look(node, part))).filter(Boolean);
    }""")
    assert moving == []
    lasting = "one => one.effect.getComputedTiming().duration > 0"
    page.wait_for_function(f"document.getAnimations().filter({lasting}).length === 0")


@pytest.mark.skipif(Axe is None, reason="needs axe-playwright-python")
def test_axe_finds_nothing_serious(tab):
    page, part = tab
    found = []
    for (width, theme), asked in LOOKS.items():
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(
            "dark => document.body.classList.toggle('dark', dark)", theme == "dark"
        )  # all that ?__theme does
        page.wait_for_timeout(300)
        for rule in (
            Axe().run(page, part, {"resultTypes": ["violations"], **asked}).response["violations"]
        ):
            if rule["impact"] in ("serious", "critical"):
                found += [
                    f"{width} {theme} {rule['id']}: {node['target']} {node['failureSummary'][:300]}"
                    for node in rule["nodes"]
                ]
    assert not found, "\n".join(found)


def test_nothing_scrolls_sideways(tab, kind):
    page, _ = tab
    for width in (390, 1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert (
            page.evaluate(
                "selector => document.querySelector(selector).getBoundingClientRect().right",
                DRAWN[kind],
            )
            <= width
        )


def test_a_page_that_is_opened_on_a_phone_does_not_scroll_sideways_either(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}?__theme=dark")
    page.wait_for_selector("#stage .pairs")
    page.wait_for_timeout(500)  # the load event
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_the_play_button_alone_starts_and_stops_the_film(browser, address):
    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"{address}?v=1&kind=belief&{LINKS['belief']}")
    page.wait_for_url("**revision=**")
    output = page.locator("#belief output")
    start = "n\u00a0=\u00a0400"
    expect(output).to_have_text(start)
    page.wait_for_timeout(1200)
    expect(output).to_have_text(start)
    page.click("#belief .play")
    expect(output).not_to_have_text(start)
    page.click("#belief .play")
    held = output.inner_text()
    page.wait_for_timeout(1200)
    expect(output).to_have_text(held)
    page.close()
