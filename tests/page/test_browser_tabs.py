"""The tabs after the first in headless Chromium."""

from chromium import (
    WAIT,
    choose_picture,
    expect,
    in_browser,
    open_settings,
    open_tab,
    run,
    sentence,
    set_dial,
    set_number,
    unfold,
)

from diffdemo.experiments import Branch, Embedding

pytestmark = in_browser


def test_point_of_no_return_draws_a_chart_and_a_level_sets_the_dial(page):
    open_settings(page)
    set_number(page, "#steps", 4)
    open_tab(page, "Point of no return")
    said = sentence(page, "curve")
    expect(said).to_contain_text("half of the information", timeout=WAIT)
    assert page.locator("#chart .plot polyline").count() == 1
    expect(page.locator("#chart .others")).not_to_be_visible()
    assert page.locator("#chart .tile").count() == 21 * 2
    assert page.locator("#chart .tile.back, #chart .tile.changed").count() == 21 * 2
    assert page.locator("#chart .tile b").all_inner_texts()[0] == "✓"
    assert page.locator("#chart text.mark").first.text_content().startswith("n = 250: ")
    expect(page.locator("#chart .plot text.now")).to_have_text("n = 250")
    page.locator("#chart .hit[data-k='12']").click()
    expect(page.locator("#dial .exact input")).to_have_value("600")
    expect(page.locator("#readouts dd").first).to_have_text("0.600")
    expect(page.locator("#chart .level h3")).to_contain_text("At n\u00a0=\u00a0600, ")
    assert page.locator("#chart .level figure").count() == 4
    page.locator("#chart .hit[data-k='12']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#dial .exact input")).to_have_value("650")
    page.get_by_text("More curves").click()
    assert page.locator("#chart .numbers tbody tr").count() == 21
    assert page.locator("#chart .others polyline").count() == 3
    widths = "node => [node.clientWidth, node.querySelector('svg').clientWidth]"
    outer, chart = page.locator("#chart .others").evaluate(widths)
    assert abs(outer - chart) <= 1  # drawn as wide as the fold, once it is open
    open_tab(page, "There and back")
    expect(sentence(page)).to_contain_text("After 650 steps of noise", timeout=WAIT)
    open_tab(page, "Point of no return")
    expect(said).to_contain_text("half of the information")


SET_DIAL = """n => { document.documentElement.dataset.n = n;
  document.dispatchEvent(new Event('diffdemo:n')); }"""
ALL_LEVELS = """() => {
  window.seen = []; window.dialled = []; window.asked = [];
  document.addEventListener('diffdemo:show-n', event => window.asked.push(event.detail));
  const output = document.querySelector('#belief output');
  const changes = {childList: true, characterData: true, subtree: true};
  new MutationObserver(() => {
    window.seen.push(Number(output.textContent.match(/\\d+/)[0]));
    window.dialled.push(Number(document.documentElement.dataset.n));
  }).observe(output, changes);
}"""


def shows(page, n):
    expect(page.locator("#belief output")).to_have_text(f"n\u00a0=\u00a0{n}")


def test_what_could_it_have_been_follows_the_dial(page):
    open_tab(page, "What could it have been?")
    said = sentence(page, "belief")
    expect(said).to_contain_text("At n\u00a0=\u00a0450: someone who knows", timeout=WAIT)
    shows(page, 450)
    assert page.locator("#belief input").count() == 0
    assert page.locator("#belief .row").count() == 6
    assert page.locator("#belief dt").count() == 14
    assert page.locator("#belief .flow img").count() == 4
    page.evaluate(SET_DIAL, 1000)
    shows(page, 1000)
    expect(page.locator("#belief .said")).to_contain_text("Your picture: less than 0.1")
    page.evaluate(SET_DIAL, 688)  # between two levels
    shows(page, 700)
    expect(page.locator("#belief .said")).to_contain_text("The nearest level computed.")
    expect(page.locator("#belief .flow")).to_contain_text("after 700 noise steps")
    expect(said).to_contain_text("At n\u00a0=\u00a0450:")
    set_dial(page, 400)
    run(page)
    expect(said).to_contain_text("At n\u00a0=\u00a0400: someone who knows", timeout=WAIT)
    shows(page, 400)


def test_playing_moves_the_dial_and_ends_where_the_headline_is(page):
    open_tab(page, "What could it have been?")
    said = sentence(page, "belief")
    expect(said).to_contain_text("At n\u00a0=\u00a0450: someone who knows", timeout=WAIT)
    page.evaluate(ALL_LEVELS)
    page.click("#belief .play")
    expect(page.locator("#belief .play")).to_contain_text("Pause")
    expect(page.locator("#belief .play")).to_contain_text("Play", timeout=WAIT)
    seen = page.evaluate("window.seen")
    assert seen == page.evaluate("window.dialled")  # dial and picture never differ
    asked = page.evaluate("window.asked")
    turn = asked.index(0)
    assert asked[:turn] == sorted(asked[:turn], reverse=True)  # certainty arrives, and goes again
    assert asked[turn:] == sorted(asked[turn:])
    assert (asked[0], asked[-1]) == (1000, 450)
    shows(page, 450)


def test_a_line_up_of_ones_own_replaces_the_10_000(page):
    open_tab(page, "What could it have been?")
    said = sentence(page, "belief")
    expect(said).to_contain_text("knows all 10,000 pictures", timeout=WAIT)
    unfold(page, "A line-up of your own")
    page.click("#collect")
    expect(page.locator("#collected img")).to_have_count(1, timeout=WAIT)
    expect(said).to_contain_text("there is nothing to guess", timeout=WAIT)
    choose_picture(page)
    page.locator("#examples button").nth(3).click()
    expect(said).to_contain_text("knows all 2 pictures", timeout=WAIT)
    page.click("#clear")
    expect(said).to_contain_text("knows all 10,000 pictures", timeout=WAIT)


def test_is_x_t_an_embedding_shows_findings_and_keeps_them_until_something_changes(page, address):
    page.goto(f"{address}?{Embedding(n=300, seeds=(0, 1), steps=10, other='face:4').to_query()}")
    said = sentence(page, "embed")
    recorded = "Any noise plus a record of every step: all 4 came back exactly."
    expect(said).to_contain_text(recorded, timeout=2 * WAIT)
    assert page.locator("#embed .finding").count() == 3
    assert page.locator("#embed .finding figure.back").count() == 2 + 2 + 4
    expect(page.locator("#embed .columns")).not_to_be_visible()
    for fold in page.locator("#embed .more summary").all():
        fold.click()
    assert page.locator("#embed .column").count() == 5
    assert (
        page.locator("#embed .column.back").count() == 5
    )  # from n = 300 random noise leads back too
    assert page.locator("#embed .column").first.locator("img").count() == 4
    assert page.locator("#embed tbody tr").count() == 6
    assert page.locator("#embed td.outside").count() >= 4
    assert page.locator("#embed svg.lines").count() == 3
    assert page.locator("#embed .errors polyline").count() == 2
    assert page.locator("#embed .swap img").count() == 4 + 9
    open_tab(page, "There and back")
    open_tab(page, "Is x_T an embedding?")
    expect(said).to_contain_text(recorded)
    before = page.locator("#embed .swap img").nth(1).get_attribute("src")
    unfold(page, "Picture B, to swap and blend with")
    page.locator("#swap-strip button").nth(5).click()
    expect(page.locator("#embed .swap img").nth(1)).not_to_have_attribute(
        "src", before, timeout=2 * WAIT
    )


def test_two_pictures_share_one_noise(page):
    set_dial(page, 500)
    open_tab(page, "Two pictures, one noise")
    unfold(page, "Settings of the tries")
    set_number(page, "#collide-steps", 4)
    said = sentence(page, "collide")
    expect(said).to_contain_text("500, one noisy picture can be made from A", timeout=WAIT)
    assert page.locator("#collide .shared img").count() == 3
    equations = page.locator("#collide .equation")
    assert equations.count() == 2
    x_n = [equations.nth(k).locator(".result img").get_attribute("src") for k in range(2)]
    assert x_n[0] == x_n[1]
    assert page.locator("#collide .ways figure").count() == 8
    expect(page.locator("#collide text.now")).to_have_text("n = 500")
    odds = page.locator("#collide dd.value").last
    before = odds.text_content()
    page.locator("#second-strip button").nth(6).click()
    expect(odds).not_to_have_text(before, timeout=WAIT)
    page.click("#second-same")
    expect(said).to_contain_text("A and B are the same picture", timeout=WAIT)


def test_where_paths_split_draws_a_tree_whose_tiles_show_their_way(page, address):
    page.goto(f"{address}?{Branch(points=4, futures=4, steps=6).to_query()}")
    expect(page.locator("#branch-sentence .note")).to_contain_text(
        "4 points x 4 futures in one batch, 6 denoising steps", timeout=WAIT
    )
    expect(page.locator("#branch .part-played")).to_contain_text("Your picture plays no part here")
    unfold(page, "Settings of these paths")
    set_number(page, "#branch-futures", 3)
    expect(page.locator("#branch-sentence .note")).to_contain_text(
        "4 points x 3 futures in one batch, 6 denoising steps", timeout=WAIT
    )
    expect(sentence(page, "branch")).to_contain_text("Paths that part at n\u00a0=\u00a01000 end")
    assert page.locator("#branch .tile").count() == 12
    assert page.locator("#branch .detail h3").count() == 0
    assert page.locator("#branch .bar").count() == 4
    page.locator("#branch .tile[data-place='1,2']").click()
    expect(page.locator("#branch .detail h3")).to_contain_text("seed 3")
    assert page.locator("#branch .tile[data-place='1,2']").get_attribute("aria-pressed") == "true"
    page.keyboard.press("ArrowUp")
    expect(page.locator("#branch .detail h3")).to_contain_text("1000 with seed 3")
    assert page.locator("#branch .decided polyline").count() == 1
    assert page.locator("#branch .distance polyline").count() == 1
    last = page.locator("#branch .row:has([data-place='3,0']) .tile img")
    assert last.nth(0).get_attribute("src") == last.nth(2).get_attribute("src")


def test_the_model_switch_brings_digits_to_the_open_tab_and_the_others(page):
    set_number(page, "#count", 2)
    open_settings(page)
    page.get_by_role("radio", name="digits").check()
    expect(sentence(page)).to_contain_text("% of all digits are", timeout=WAIT)
    expect(page.locator("#portrait p")).to_contain_text("MNIST test set")
    expect(page.locator("#another")).to_contain_text("digit")
    open_tab(page, "What could it have been?")
    expect(sentence(page, "belief")).to_contain_text("450: someone who knows", timeout=WAIT)
    expect(page.locator("#belief dt")).to_have_text("class")
    open_tab(page, "Two pictures, one noise")
    expect(page.locator("#second p")).to_contain_text("Digit 3", timeout=WAIT)
    expect(sentence(page, "collide")).to_contain_text("500, one noisy picture", timeout=WAIT)
    open_tab(page, "What could it have been?")
    open_settings(page)
    page.get_by_role("radio", name="faces").check()
    expect(page.locator("#belief dt")).to_have_count(14, timeout=WAIT)


DIAL = ("#dial .play", "#dial .run")


def test_the_page_shows_the_controls_that_the_open_tab_uses(page):
    expected = {
        "Where paths split": ["#first", "#dial .run"],
        "Two pictures, one noise": ["#dial .level", "#first", "#dial .run"],
        "Point of no return": ["#dial .level", "#first", "#per-level", "#steps", "#dial .run"],
        "The answer": [],
        "There and back": [
            "#dial .level",
            "#first",
            "#count",
            "#steps",
            "#dial .play",
            "#dial .run",
        ],
    }
    places = (
        "#dial .level",
        "#first",
        "#count",
        "#per-level",
        "#steps",
        "#dial .play",
        "#dial .run",
    )
    open_settings(page)
    for title, shown in expected.items():
        open_tab(page, title)
        for place in places:
            visible = place in shown
            expect(page.locator(place)).to_be_visible(visible=visible, timeout=WAIT)
