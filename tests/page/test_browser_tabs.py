"""The tabs after the first in headless Chromium."""

from chromium import WAIT, expect, in_browser, open_tab, sentence, set_number

from diffdemo.experiments import Branch, Embedding

pytestmark = in_browser


def test_point_of_no_return_draws_a_chart_and_a_level_sets_the_dial(page):
    page.get_by_text("Advanced").click()
    set_number(page, "#steps", 4)
    open_tab(page, "Point of no return")
    said = sentence(page, "curve")
    expect(said).to_contain_text("bits that single this picture out", timeout=WAIT)
    assert page.locator("#chart polyline").count() == 3
    assert page.locator("#chart .tile").count() == 21 * 4
    assert page.locator("#chart .tile.back, #chart .tile.changed").count() == 21 * 4
    expect(page.locator("#chart text.now")).to_have_text("dial 250")
    page.locator("#chart .hit[data-k='12']").click()
    expect(page.locator("#dial input[type=number]")).to_have_value("600")
    expect(page.locator("#readouts dd").first).to_have_text("0.600")
    expect(page.locator("#chart .level h3")).to_have_text("At n = 600")
    assert page.locator("#chart .level figure").count() == 4
    page.locator("#chart .hit[data-k='12']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#dial input[type=number]")).to_have_value("650")
    assert page.locator("#chart .numbers tbody tr").count() == 21
    open_tab(page, "There and back")
    expect(sentence(page)).to_contain_text("After 650 steps of noise", timeout=WAIT)
    open_tab(page, "Point of no return")
    expect(said).to_contain_text("bits that single this picture out")


def test_what_could_it_have_been_flips_through_the_levels(page):
    open_tab(page, "What could it have been?")
    expect(sentence(page, "belief")).to_contain_text("After 450 steps of noise", timeout=WAIT)
    expect(page.locator("#belief output")).to_have_text("n = 450")
    assert page.locator("#belief .row").count() == 6
    assert page.locator("#belief dt").count() == 14
    page.locator("#belief input[type=range]").focus()
    page.keyboard.press("End")
    expect(page.locator("#belief output")).to_have_text("n = 1000")
    expect(page.locator("#belief .said")).to_contain_text("13.3 of 13.3 bits missing")
    page.evaluate("""() => {
        window.seen = [];
        const output = document.querySelector('#belief output');
        const changes = {childList: true, characterData: true, subtree: true};
        new MutationObserver(() => window.seen.push(output.textContent)).observe(output, changes);
    }""")
    page.click("#belief .play")
    expect(page.locator("#belief .play")).to_contain_text("Pause")
    expect(page.locator("#belief .play")).to_contain_text("Play", timeout=WAIT)
    seen = [int(text.removeprefix("n = ")) for text in page.evaluate("window.seen")]
    turn = seen.index(0)
    assert seen[:turn] == sorted(seen[:turn], reverse=True)  # certainty arrives, and goes again
    assert seen[turn:] == sorted(seen[turn:])
    assert (seen[0], seen[-1]) == (1000, 1000)
    set_number(page, "#dial", 400)
    page.click("#run")
    expect(sentence(page, "belief")).to_contain_text("After 400 steps of noise", timeout=WAIT)


def test_a_line_up_of_ones_own_replaces_the_10_000(page):
    open_tab(page, "What could it have been?")
    expect(sentence(page, "belief")).to_contain_text("among 10,000", timeout=WAIT)
    page.get_by_text("A line-up of your own").click()
    page.click("#collect")
    expect(page.locator("#collected img")).to_have_count(1, timeout=WAIT)
    expect(sentence(page, "belief")).to_contain_text("among 1;", timeout=WAIT)
    page.locator("#examples button").nth(3).click()
    expect(sentence(page, "belief")).to_contain_text("among 2;", timeout=WAIT)
    page.click("#clear")
    expect(sentence(page, "belief")).to_contain_text("among 10,000", timeout=WAIT)


def test_is_x_t_an_embedding_shows_five_columns_and_keeps_them_until_something_changes(
    page, address
):
    page.goto(f"{address}?{Embedding(n=300, seeds=(0, 1), steps=10, other='face:4').to_query()}")
    said = sentence(page, "embed")
    expect(said).to_contain_text(
        "with the path kept, 4 of 4 noises gave back the very same picture", timeout=2 * WAIT
    )
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
    expect(said).to_contain_text("with the path kept")
    before = page.locator("#embed .swap img").nth(1).get_attribute("src")
    page.get_by_text("Another picture B for the swap test").click()
    page.locator("#swap-strip button").nth(5).click()
    expect(page.locator("#embed .swap img").nth(1)).not_to_have_attribute(
        "src", before, timeout=2 * WAIT
    )


def test_two_pictures_share_one_noise(page):
    set_number(page, "#dial", 500)
    open_tab(page, "Two pictures, one noise")
    set_number(page, "#collide-steps", 4)
    said = sentence(page, "collide")
    expect(said).to_contain_text("At n = 500 the noise that B needs is", timeout=WAIT)
    equations = page.locator("#collide .equation")
    assert equations.count() == 2
    x_n = [equations.nth(k).locator(".result img").get_attribute("src") for k in range(2)]
    assert x_n[0] == x_n[1]
    assert page.locator("#collide .ways figure").count() == 8
    expect(page.locator("#collide text.now")).to_have_text("dial 500")
    odds = page.locator("#collide dd.value").last
    before = odds.inner_text()
    page.locator("#second-strip button").nth(6).click()
    expect(odds).not_to_have_text(before, timeout=WAIT)
    page.click("#second-same")
    expect(said).to_contain_text("A and B are the same picture", timeout=WAIT)


def test_where_paths_split_draws_a_tree_whose_tiles_show_their_way(page, address):
    page.goto(f"{address}?{Branch(points=4, futures=4, steps=6).to_query()}")
    expect(page.locator("#branch-sentence .note")).to_contain_text(
        "4 points x 4 futures in one batch, 6 steps", timeout=WAIT
    )
    set_number(page, "#branch-futures", 3)
    expect(page.locator("#branch-sentence .note")).to_contain_text(
        "4 points x 3 futures in one batch, 6 steps", timeout=WAIT
    )
    expect(sentence(page, "branch")).to_contain_text("From n = 1000, 3 futures share")
    assert page.locator("#branch .tile").count() == 12
    assert page.locator("#branch .bar").count() == 4
    page.locator("#branch .tile[data-place='1,2']").click()
    expect(page.locator("#branch .detail h3")).to_contain_text("seed 3")
    assert page.locator("#branch .tile[data-place='1,2']").get_attribute("aria-pressed") == "true"
    page.keyboard.press("ArrowUp")
    expect(page.locator("#branch .detail h3")).to_have_text("A future of n = 1000, seed 3")
    assert page.locator("#branch .decided polyline").count() == 2
    last = page.locator("#branch .row:nth-child(4) .tile img")
    assert last.nth(0).get_attribute("src") == last.nth(2).get_attribute("src")


def test_the_model_switch_brings_digits_to_the_open_tab_and_the_others(page):
    set_number(page, "#count", 2)
    page.get_by_role("radio", name="digits").check()
    expect(sentence(page)).to_contain_text("% of all digits are", timeout=WAIT)
    expect(page.locator("#portrait p")).to_contain_text("MNIST test set")
    expect(page.locator("#another")).to_contain_text("digit")
    open_tab(page, "What could it have been?")
    expect(sentence(page, "belief")).to_contain_text("After 450 steps of noise", timeout=WAIT)
    expect(page.locator("#belief dt")).to_have_text("class")
    open_tab(page, "Two pictures, one noise")
    expect(page.locator("#second p")).to_contain_text("Digit 3", timeout=WAIT)
    expect(sentence(page, "collide")).to_contain_text(
        "At n = 500 the noise that B needs is", timeout=WAIT
    )
    open_tab(page, "What could it have been?")
    page.get_by_role("radio", name="faces").check()
    expect(page.locator("#belief dt")).to_have_count(14, timeout=WAIT)


def test_the_rail_shows_what_the_open_tab_uses(page):
    expected = {
        "Where paths split": ["#first"],
        "Two pictures, one noise": ["#dial", "#first"],
        "Point of no return": ["#dial", "#first", "#per-level", "#advanced"],
        "The answer": [],
        "There and back": ["#dial", "#first", "#count", "#advanced"],
    }
    for title, shown in expected.items():
        open_tab(page, title)
        for place in ("#dial", "#first", "#count", "#per-level", "#advanced"):
            expect(page.locator(place)).to_be_visible(visible=place in shown)
        expect(page.locator("#run")).to_be_visible(visible=bool(shown))
