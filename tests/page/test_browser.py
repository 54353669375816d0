"""The page in headless Chromium: mouse, keyboard, and the screen of a phone."""

import re

from chromium import WAIT, expect, in_browser, pictures, sentence, set_number

pytestmark = in_browser


def test_the_page_opens_with_a_finished_result(page):
    expect(sentence(page)).to_contain_text("After 250 steps of noise")
    assert len(pictures(page, "noise")) == len(pictures(page, "reconstruction")) == 16
    assert page.locator("#map .pair.back, #map .pair.changed").count() == 16
    assert "features kept" in page.locator("#map .tile.reconstruction").first.get_attribute(
        "aria-label"
    )


def test_changing_the_dial_and_running_updates_both_galleries(page):
    before = pictures(page, "noise"), pictures(page, "reconstruction")
    set_number(page, "#count", 4)
    set_number(page, "#dial", 600)
    page.click("#run")
    expect(sentence(page)).to_contain_text("After 600 steps of noise", timeout=WAIT)
    after = pictures(page, "noise"), pictures(page, "reconstruction")
    assert [len(found) for found in after] == [4, 4]
    assert not set(before[0]) & set(after[0])
    assert not set(before[1]) & set(after[1])
    expect(page.locator("#readouts dd").first).to_have_text("0.600")


def test_choosing_a_noise_selects_its_reconstruction_and_the_reverse(page):
    page.locator("#map .tile.noise[data-index='5']").click()
    assert (
        page.locator("#map .tile.reconstruction[data-index='5']").get_attribute("aria-pressed")
        == "true"
    )
    assert page.locator("#map .pair.chosen").count() == 1
    expect(page.locator("#map .map-detail h3")).to_have_text("Seed 5, there and back")
    page.locator("#map .tile.reconstruction[data-index='9']").click()
    assert page.locator("#map .tile.noise[data-index='9']").get_attribute("aria-pressed") == "true"
    assert page.locator("#map .strip").first.locator("img").count() == 10


def test_the_map_works_with_the_keyboard_and_lights_pairs_on_hover(page):
    page.locator("#map .tile.noise[data-index='0']").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert (
        page.evaluate("document.activeElement.dataset.index + document.activeElement.dataset.kind")
        == "2reconstruction"
    )
    expect(page.locator("#map .map-detail h3")).to_have_text("Seed 2, there and back")
    page.locator("#map .tile.noise[data-index='7']").hover()
    assert page.locator("#map .pair.lit").get_attribute("data-index") == "7"


def test_stop_stops(page):
    page.click("#advanced button")
    set_number(page, "#steps", 200)
    set_number(page, "#count", 64)
    set_number(page, "#dial", 1000)
    page.click("#run")
    expect(page.locator("#round-trip-sentence .note")).to_contain_text("Step ")
    page.click("#stop")
    expect(sentence(page)).to_contain_text("Stopped after step", timeout=WAIT)
    held = pictures(page, "reconstruction")
    page.wait_for_timeout(2500)
    assert pictures(page, "reconstruction") == held
    set_number(page, "#steps", 2)
    set_number(page, "#count", 2)
    page.click("#run")
    expect(sentence(page)).to_contain_text(re.compile("(both|of 2) tries"), timeout=WAIT)


def test_examples_landmarks_dice_and_random_faces_run(page):
    set_number(page, "#count", 2)
    before = page.locator("#portrait img").get_attribute("src")
    page.locator("#examples button").nth(3).click()
    expect(sentence(page)).to_contain_text("After 250 steps of noise", timeout=WAIT)
    assert page.locator("#portrait img").get_attribute("src") != before
    page.locator("#readouts button[data-n='1000']").click()
    expect(sentence(page)).to_contain_text("After 1000 steps of noise", timeout=WAIT)
    expect(page.locator("#dial input[type=number]")).to_have_value("1000")
    noises = pictures(page, "noise")
    page.click("#dice")
    expect(page.locator("#map .tile.noise image").first).not_to_have_attribute(
        "href", noises[0], timeout=WAIT
    )
    example = page.locator("#portrait p").inner_text()
    page.click("#another")
    expect(page.locator("#portrait p")).not_to_have_text(example, timeout=WAIT)


def test_a_picture_of_ones_own_can_be_uploaded(page, tmp_path):
    from PIL import Image

    Image.new("RGB", (200, 100), (250, 120, 20)).save(tmp_path / "mine.png")
    (tmp_path / "not.png").write_bytes(b"hello")
    set_number(page, "#count", 2)
    page.get_by_text("Your own picture").click()
    page.set_input_files("#upload input[type=file]", tmp_path / "mine.png")
    expect(page.locator("#portrait p")).to_contain_text(
        "Your picture as the model sees it", timeout=WAIT
    )
    expect(sentence(page)).to_contain_text("knows only pixel faces", timeout=WAIT)


def test_a_drawing_becomes_the_picture(page):
    set_number(page, "#count", 2)
    page.get_by_role("radio", name="digits").check()
    expect(sentence(page)).to_contain_text("% of all digits are", timeout=WAIT)
    page.get_by_text("Draw one").click()
    board = page.locator("#pad canvas")
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"], steps=8)
    page.mouse.up()
    page.click("#pad .use")
    expect(page.locator("#portrait p")).to_contain_text(
        "Your picture as the model sees it", timeout=WAIT
    )
    expect(sentence(page)).to_contain_text("your 1", timeout=WAIT)


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
    page.wait_for_selector("#map .tile")
    page.wait_for_function(STILL)
    page.close()
