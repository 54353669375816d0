"""The stage in headless Chromium: mouse, keyboard, and the screen of a phone."""

import base64
import io

import numpy as np
import pytest
from chromium import (
    WAIT,
    choose_picture,
    expect,
    finished,
    in_browser,
    open_settings,
    open_tab,
    pictures,
    sentence,
    set_dial,
    set_number,
)
from PIL import Image

from diffdemo import lab
from diffdemo.experiments import RoundTrip
from diffdemo.pictures import digits, images
from diffdemo.widgets.controls import BEST, TRIES

pytestmark = in_browser
SAY = "#stage .say"


def pixels(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"))


def test_the_page_opens_split_and_answers_the_thread(page):
    expect(page.locator(SAY)).to_have_text(
        "With 250 steps your face comes back, 8 of 8. With 1000 steps someone else does, 8 of 8."
    )
    expect(page.locator("#stage .label").nth(1)).to_have_text("+ 250 steps of noise")
    expect(page.locator("#stage .label").nth(2)).to_have_text("+ 1000 steps of noise")
    assert page.locator("#stage .pair.back").count() == 4
    assert page.locator("#stage .pair.changed").count() == 4
    expect(page.locator("#dial .compare")).to_have_attribute("aria-pressed", "true")
    expect(sentence(page)).to_contain_text("250 steps")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_the_first_screen_holds_title_headline_tiles_and_dial(browser, address, width, height):
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(address)
    page.wait_for_selector("#stage .pair")
    expect(page.locator("#stage .pair.changed")).to_have_count(4)
    expect(page.locator("#dial .levels")).to_be_visible()
    tops = page.evaluate("""() => {
      const box = place => document.querySelector(place).getBoundingClientRect();
      const last = [...document.querySelectorAll('#stage .pair')].at(-1).getBoundingClientRect();
      return [box('#header h1').top, box('#stage .reconstruction').top, last.bottom,
              box('#console').top, box('#console').bottom];
    }""")
    title, first, tiles, dial, foot = tops
    assert 0 <= title < first < tiles <= dial < foot <= height
    assert first < 420
    page.close()


def test_noisy_pictures_are_drawn_in_the_browser_as_the_server_computes_them(page):
    set_dial(page, 437)
    finished(page, 437)
    result = lab.run(RoundTrip("faces", "face:17", 437, TRIES, **BEST))
    wanted = images.visualise(result.x_n)
    for uri, pixel in zip(pictures(page, "noise"), wanted, strict=True):
        assert np.abs(pixels(uri).astype(int) - pixel).max() <= 1
    shown = pictures(page, "reconstruction")
    for uri, pixel in zip(shown, images.visualise(result.reconstructions), strict=True):
        assert np.abs(pixels(uri).astype(int) - pixel).max() <= 1


def test_dragging_shows_all_levels_and_asks_the_server_for_nothing(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    box = page.locator("#dial input[type=range]").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.25 * box["width"], y)
    page.mouse.down()
    seen = []
    for share in (0.3, 0.5, 0.7, 0.9, 0.6):
        page.mouse.move(box["x"] + share * box["width"], y)
        n = int(page.evaluate("document.documentElement.dataset.n"))
        seen.append(n)
        expect(page.locator(SAY)).to_contain_text(f"{n} steps")
        expect(page.locator("#stage .label").nth(1)).to_have_text(f"+ {n} steps of noise")
        expect(page.locator("#dial .exact input")).to_have_value(str(n))
    assert [url for url in asked if "/queue/join" in url] == []
    assert all(n % 25 == 0 for n in seen)
    assert len(set(seen)) == 5
    dragged = pictures(page, "reconstruction")
    page.mouse.up()
    finished(page, seen[-1])
    assert pictures(page, "reconstruction") == dragged  # the run gives the same pictures


def test_choosing_a_pair_shows_its_way_and_what_survived(page):
    set_dial(page, 300)
    finished(page, 300)
    page.locator("#stage .pair").nth(5).click()
    assert page.locator("#stage .pair.chosen").count() == 1
    expect(page.locator("#stage .detail h3").first).to_contain_text("Seed 5 after 300 steps")
    assert page.locator("#stage .strip").first.locator("img").count() == 10
    page.locator("#stage .pair").nth(5).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#stage .detail h3").first).to_contain_text("Seed 6")
    page.keyboard.press("Home")
    expect(page.locator("#stage .detail h3").first).to_contain_text("Seed 0")
    expect(page.locator("#stage .survived li")).to_have_count(14)


def test_the_dial_works_with_the_keyboard(page):
    dial = page.locator("#dial input[type=range]")
    dial.focus()
    page.keyboard.press("End")
    finished(page, 1000)
    page.keyboard.press("Home")
    finished(page, 0)
    page.keyboard.press("ArrowRight")
    finished(page, 1)
    set_dial(page, 600)
    finished(page, 600)
    dial.focus()
    page.keyboard.press("Enter")  # what is shown already is not run again
    expect(page.locator("#dial .exact input")).to_have_value("600")


def test_an_impossible_n_is_refused_where_it_is_typed(page):
    box = page.locator("#dial .exact input")
    for wrong in ("1001", "-1", "2.5"):
        box.fill(wrong)
        box.press("Enter")
        expect(box).to_have_value("250")


def test_compare_and_the_two_numbers(page):
    page.locator("#dial [data-n='1000']").click()
    finished(page, 1000)
    assert page.locator("#stage .pair.changed").count() == 8
    page.click("#dial .compare")
    expect(page.locator("#stage .pair.back")).to_have_count(4)
    expect(page.locator("#stage .pair.changed")).to_have_count(4)
    page.locator("#dial [data-n='250']").click()
    finished(page, 250)
    expect(page.locator("#stage .pair.back")).to_have_count(8)


def test_play_goes_up_and_back_and_then_shows_the_way_down(page):
    page.evaluate("""() => { window.seen = []; const root = document.documentElement;
      document.addEventListener('diffdemo:n', () => window.seen.push(+root.dataset.n)); }""")
    page.keyboard.press("Space")
    expect(page.locator("#dial .play")).to_have_attribute("aria-label", "Pause")
    expect(page.locator(SAY)).to_contain_text("On the way down", timeout=WAIT)
    expect(page.locator("#dial .play")).to_have_attribute("aria-label", "Play", timeout=WAIT)
    seen = page.evaluate("window.seen")
    top = seen.index(1000)
    assert seen[:top] == sorted(seen[:top])
    assert seen[0] == 0
    assert seen[-1] == 250
    expect(page.locator("#stage .pair.back")).to_have_count(8)


def test_the_stage_alone(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(f"{address}?stage=1")
    expect(page.locator("#stage .pair.changed")).to_have_count(4)
    for hidden in ("#header", "#settings", "#contents", "#others", "#footer", "footer"):
        expect(page.locator(hidden)).to_be_hidden()
    expect(page.locator("#dial")).to_be_visible()
    page.locator("#dial [data-n='1000']").click()
    finished(page, 1000)
    assert "stage=1" in page.url
    page.close()


def test_back_and_forward_go_through_finished_runs(page):
    for n in (600, 900):
        set_dial(page, n)
        finished(page, n)
    open_tab(page, "Two pictures, one noise")
    page.wait_for_url("**kind=collide**")
    page.go_back()
    finished(page, 900)
    expect(page.locator("#round-trip-tab-button")).to_have_attribute("aria-selected", "true")
    page.wait_for_function("!window.diffdemoGoing")  # what was gone back to is shown
    page.go_back()
    finished(page, 600)
    expect(sentence(page)).to_contain_text("600 steps", timeout=WAIT)
    page.wait_for_function("!window.diffdemoGoing")
    page.go_forward()
    finished(page, 900)
    expect(sentence(page)).to_contain_text("900 steps", timeout=WAIT)


def test_stop_stops(page):
    open_settings(page)
    set_number(page, "#steps", 60)
    set_number(page, "#count", 64)
    set_dial(page, 1000)
    expect(page.locator("#round-trip-sentence .now")).to_contain_text("Step ")
    expect(page.locator("#dial .status")).to_contain_text("Step ")
    page.click("#dial .stop")
    expect(sentence(page)).to_contain_text("Stopped after step", timeout=WAIT)
    held = pictures(page, "reconstruction")
    page.wait_for_timeout(2500)
    assert pictures(page, "reconstruction") == held
    expect(page.locator("#dial .run")).to_be_visible()
    set_number(page, "#steps", 2)
    set_number(page, "#count", 2)
    expect(sentence(page)).to_contain_text("2 ", timeout=WAIT)
    finished(page, 1000)
    expect(page.locator("#stage .pair")).to_have_count(2)


def test_settings_run_when_they_change(page):
    open_settings(page)
    set_number(page, "#count", 3)
    expect(page.locator("#stage .pair.back, #stage .pair.changed")).to_have_count(6, timeout=WAIT)
    before = page.url
    page.click("#dice")
    expect(page).not_to_have_url(before, timeout=WAIT)
    set_number(page, "#steps", 7)
    page.wait_for_url("**&steps=7&**")
    expect(page.locator("#readouts dd").first).to_have_text("0.250")


def test_examples_and_random_faces_are_chosen_in_one_place_and_run(page):
    before = page.locator("#portrait img").get_attribute("src")
    choose_picture(page)
    page.locator("#examples button").nth(3).click()
    expect(page.locator("#picker")).to_be_hidden()
    expect(page.locator("#portrait img")).not_to_have_attribute("src", before, timeout=WAIT)
    page.wait_for_url("**picture=face:27**")
    expect(page.locator(SAY)).to_contain_text("With 1000 steps", timeout=WAIT)
    choose_picture(page)
    page.keyboard.press("Escape")
    expect(page.locator("#picker")).to_be_hidden()
    choose_picture(page)
    page.click("#another")
    expect(page).not_to_have_url("picture=face:27", timeout=WAIT)
    page.wait_for_function("window.diffdemoOutcomes.rows.size >= 2", timeout=WAIT)


def test_a_picture_of_ones_own_can_be_uploaded(page, tmp_path):
    Image.new("RGB", (200, 100), (250, 120, 20)).save(tmp_path / "mine.png")
    choose_picture(page)
    page.set_input_files("#upload input[type=file]", tmp_path / "mine.png")
    expect(page.locator("#portrait p")).to_contain_text(
        "Your picture as the model sees it", timeout=WAIT
    )
    page.wait_for_url("**picture=png:**")
    expect(page.locator("#picker")).to_be_hidden()


def test_a_drawing_starts_from_the_picture_and_becomes_it(page):
    choose_picture(page)
    page.get_by_text("Draw on the picture").click()
    board = page.locator("#pad canvas")
    board.scroll_into_view_if_needed()
    shown = pixels(board.evaluate("node => node.toDataURL()"))
    own = pixels(page.locator("#portrait img").get_attribute("src"))
    assert (shown == own).all()
    box = board.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"], steps=8)
    page.mouse.up()
    page.click("#pad .use")
    expect(page.locator("#portrait p")).to_contain_text(
        "Your picture as the model sees it", timeout=WAIT
    )
    page.wait_for_url("**picture=png:**")


COUNTED = """window.drawn = 0; const next = window.requestAnimationFrame;
window.requestAnimationFrame = step => { window.drawn++; return next(step); };"""
STILL = """() => {
  const before = window.drawn;
  return new Promise(done => setTimeout(() => done(window.drawn === before), 700));
}"""


def test_a_page_at_rest_draws_no_frames(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(COUNTED)
    page.goto(address)
    page.wait_for_selector("#stage .pair")
    page.wait_for_function(STILL)
    page.close()


def photo():
    """A smooth picture with detail, as a photo has."""
    x = np.linspace(0, 3, 120)
    waves = np.sin(5 * x)[:, None] + np.cos(3 * x)[None]
    return np.stack([waves, waves.T, np.flip(waves)], -1) * 60 + 120


FOREIGN = {
    "photo": photo,
    "plain colour": lambda: np.full((40, 40, 3), (250, 120, 20)),
    "digit": lambda: np.repeat(digits.line_up()[0][3], 3, axis=-1),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_picture_of_another_kind_is_called_that(page, tmp_path, kind):
    Image.fromarray(FOREIGN[kind]().clip(0, 255).astype(np.uint8)).save(tmp_path / "one.png")
    choose_picture(page)
    page.set_input_files("#upload input[type=file]", tmp_path / "one.png")
    expect(sentence(page)).to_contain_text("This model knows only pixel faces.", timeout=WAIT)
    assert "your face" not in sentence(page).text_content()
    set_dial(page, 1000)
    finished(page, 1000)
    assert page.locator("#stage .pair.back").count() == 0


def test_the_dial_is_pinned_to_the_foot_of_a_phone(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(address)
    page.wait_for_selector("#stage .detail h3")
    foot = "document.querySelector('#console').getBoundingClientRect().bottom"
    for y in (0, 300, 700):
        page.evaluate(f"scrollTo(0, {y})")
        assert abs(page.evaluate(foot) - 844) <= 1
    page.close()
