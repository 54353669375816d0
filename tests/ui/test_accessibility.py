"""Every tab with its result, for those who see little, use no mouse, or want nothing to move: axe-core's rules, the way of the Tab key, no motion."""

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
    "embed": "n=100&seeds=0&steps=2&other=face:4",
    "collide": "n=400&steps=2",
    "belief": "picture=face:17&n=400&line_up=face:17,face:4,face:12",
    "branch": "seed=0&points=3&futures=2&steps=4",
}
LOOKS = [(1280, "light"), (1280, "dark"), (390, "light")]
# opens whatever is folded in the open tab and the rail, so that nothing escapes
_UNFOLD = """() => {
  document.querySelectorAll('button.label-wrap:not(.open)').forEach(fold => { if (fold.checkVisibility()) fold.click(); });
  document.querySelectorAll('details').forEach(fold => { fold.open = true; });
}"""


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(chromium.WAIT)
    yield page
    page.close()


def show(page, address, kind):
    """A tab with its result, and everything unfolded."""
    page.goto(f"{address}?v=1&kind={kind}&{LINKS[kind]}")
    page.wait_for_selector(f"#{kind}-sentence .share button")
    page.evaluate(_UNFOLD)
    page.wait_for_timeout(300)


@pytest.mark.skipif(Axe is None, reason="needs axe-playwright-python")
@pytest.mark.parametrize("kind", LINKS)
def test_axe_finds_nothing_serious(page, address, kind):
    show(page, address, kind)
    found = []
    for width, theme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")  # all that ?__theme does
        page.wait_for_timeout(300)
        for rule in Axe().run(page).response["violations"]:
            if rule["impact"] in ("serious", "critical"):
                found += [f"{width} {theme} {rule['id']}: {node['target']} {node['failureSummary'][:300]}" for node in rule["nodes"]]
    assert not found, "\n".join(found)


# Numbers the controls in sight, each as one stop of the Tab key: radios of one name, and what the arrow keys move among, count as one.
_STOPS = """() => {
  const all = 'a[href], button, input, select, textarea, summary, canvas, [role=button], [role=radio], [role=tab], [role=slider], [tabindex]';
  const seen = node => node.checkVisibility({visibilityProperty: true, opacityProperty: true}) && node.getClientRects().length && !node.disabled
    && !node.closest('[aria-hidden=true], [inert]');
  const group = node => node.type === 'radio' && node.name ? document.querySelector(`[name="${node.name}"]`)
    : node.tabIndex < 0 && node.matches('[role]') ? node.parentElement.closest('[role=group], [role=radiogroup], [role=tablist]') || node : node;
  const stops = new Map();
  window.stopOf = node => stops.get(group(node)) ?? [...stops].find(([whole]) => whole.matches('[role]') && whole.contains(node))?.[1];
  const names = [];
  document.querySelectorAll(all).forEach(node => {
    if (!seen(node) || stops.has(group(node))) return;
    stops.set(group(node), names.length);
    names.push(`${node.tagName} ${node.id || node.getAttribute('aria-label') || node.textContent.trim().slice(0, 40) || node.className}`);
  });
  return names;
}"""
# where the focus is, and whether the place it came from looked different while it had it
_STEP = """() => {
  const ring = node => [node, node.closest('label')].filter(Boolean).map(part => getComputedStyle(part))
    .map(style => [style.outlineStyle === 'none' ? '' : style.outlineStyle + style.outlineWidth + style.outlineColor, style.boxShadow].join()).join();
  const last = window.before, node = document.activeElement;
  const plain = last && last.node.isConnected && ring(last.node) === last.ring ? last.name : null;
  const at = node === document.body ? null : window.stopOf(node);
  const words = node.getAttribute('aria-label') || node.textContent.slice(0, 40);
  window.before = at === null ? null : {node, ring: ring(node), name: `${node.tagName}#${node.id}.${node.getAttribute('class')} ${words}`};
  return [at, plain, window.before?.name];
}"""


@pytest.mark.parametrize("kind", LINKS)
def test_the_tab_key_reaches_every_control_in_sight_and_shows_where_it_is(page, address, kind):
    show(page, address, kind)
    names = page.evaluate(_STOPS)
    reached, plain, strange = [], [], []
    for _ in range(3 * len(names)):
        page.keyboard.press("Tab")
        at, unmarked, name = page.evaluate(_STEP)
        plain += [unmarked] if unmarked else []
        if at is None and name:
            strange.append(name)
        elif at is None or (at == reached[:1] and len(set(reached)) > 1):
            break
        else:
            reached.append(at)
    else:
        pytest.fail(f"The Tab key never leaves the page: {[names[at] for at in reached[-5:]]}")
    assert len(names) > 30
    assert [name for at, name in enumerate(names) if at not in reached] == []
    assert plain == []
    assert strange == []


@pytest.mark.parametrize("kind", ["round-trip", "belief"])
def test_nothing_moves_by_itself_where_less_motion_is_wanted(page, address, kind):
    show(page, address, kind)
    moving = page.evaluate("""() => [...document.querySelectorAll('body, body *')].flatMap(node => ['', '::before', '::after'].map(part => {
        const style = getComputedStyle(node, part || null), seconds = text => Math.max(...text.split(',').map(parseFloat));
        const still = seconds(style.transitionDuration) === 0 && (style.animationName === 'none' || seconds(style.animationDuration) === 0);
        return still && style.scrollBehavior === 'auto' ? null : `${node.tagName}.${node.getAttribute('class')}${part}`;
      })).filter(Boolean)""")
    assert moving == []
    assert page.evaluate("document.getAnimations().length") == 0
    if kind == "belief":
        output = page.locator("#belief output")
        before = output.inner_text()
        page.wait_for_timeout(1500)
        expect(output).to_have_text(before)  # it plays when it is asked to
        page.click("#belief .play")
        expect(output).not_to_have_text(before)
        page.click("#belief .play")
        held = output.inner_text()
        page.wait_for_timeout(1500)
        expect(output).to_have_text(held)  # and stops so
