"""The pad: what Python reads and writes, and drawing with mouse, touch and keyboard."""

import json
from types import SimpleNamespace

import gradio as gr
import pytest
import torch
from chromium import WAIT, expect, in_browser
from pages import launched

from diffdemo.errors import PictureError
from diffdemo.page import look
from diffdemo.pictures import faces, images
from diffdemo.widgets import pad

FACES = SimpleNamespace(name="faces", picture_shape=(3, 16, 16))
DIGITS = SimpleNamespace(name="digits", picture_shape=(1, 32, 32))
WIDE = SimpleNamespace(name="wide", picture_shape=(3, 2, 3))
SKY = 0xB6E3F4


def posted(model, pixels, **changes):
    return {
        "side": model.picture_shape[2],
        "channels": model.picture_shape[0],
        "pixels": pixels,
        **changes,
    }


def test_blank_is_a_background_colour_for_faces_and_black_for_digits():
    colour, grey = pad.pad_value(FACES), pad.pad_value(DIGITS)
    assert (colour["side"], colour["channels"], set(colour["pixels"]), len(colour["pixels"])) == (
        16,
        3,
        {SKY},
        256,
    )
    assert (grey["side"], grey["channels"], set(grey["pixels"]), len(grey["pixels"])) == (
        32,
        1,
        {0},
        1024,
    )
    assert grey["swatches"] == []
    assert json.loads(json.dumps(colour)) == colour


def test_every_palette_colour_is_offered_once_under_its_name():
    offered = {group["name"]: group["colours"] for group in pad.pad_value(FACES)["swatches"]}
    colours = [colour for group in offered.values() for colour in group]
    assert len(colours) == len(set(colours))
    drawn = {
        "#" + bytes(int(c) for c in rgb).hex()
        for table in faces.atlas().palettes.values()
        for rgb in table
    }
    assert drawn <= set(colours)
    assert offered["skin"][0] == "#ffdbac"
    assert set(faces.atlas().palettes) <= set(offered)


@pytest.mark.parametrize("model", [FACES, DIGITS, WIDE])
def test_a_picture_survives_the_way_to_the_pad_and_back(model):
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randint(0, 256, (1, *model.picture_shape), generator=generator).float() / 127.5 - 1
    found = pad.pad_value(model, x0)
    assert torch.equal(pad.read_drawing(model, posted(model, found["pixels"])), x0)


def test_pixels_are_read_row_by_row_with_red_first():
    x0 = pad.read_drawing(WIDE, posted(WIDE, [0xFF0000, 0, 0, 0, 0, 0x0000FF]))
    assert images.to_uint8(x0)[0].tolist() == [
        [[255, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 255]],
    ]


@pytest.mark.parametrize(
    "bad", [-1, 0x1000000, 1.0, True, "1", None, float("nan"), [0], {}, 10**400]
)
def test_a_pixel_out_of_bounds_is_refused(bad):
    pixels = [0] * 256
    pixels[77] = bad
    with pytest.raises(PictureError, match="whole number from 0 to 16777215"):
        pad.read_drawing(FACES, posted(FACES, pixels))


def test_grey_pixels_end_at_255():
    with pytest.raises(PictureError, match="255"):
        pad.read_drawing(DIGITS, posted(DIGITS, [256] + [0] * 1023))


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        "pixels",
        [],
        [0] * 256,
        {},
        {"pixels": None},
        {"pixels": {"0": 1}},
        {"pixels": [0] * 256},
        posted(FACES, [0] * 255),
        posted(FACES, []),
        posted(FACES, [0] * 256, side=32),
        posted(FACES, [0] * 256, channels=1),
        posted(DIGITS, [0] * 1024),
        posted(FACES, "0" * 256),
    ],
)
def test_anything_but_a_drawing_for_this_model_is_refused(value):
    with pytest.raises(PictureError) as caught:
        pad.read_drawing(FACES, value)
    assert str(caught.value).count(".") == 1


@pytest.fixture(scope="module")
def desk():
    """A page with only the pad on it, and what arrives from it as JSON."""

    def arrived(event: gr.EventData) -> dict:
        return event.value

    with gr.Blocks(analytics_enabled=False) as demo:
        board = pad.pad(pad.pad_value(FACES))
        to_grey = gr.Button("grey", elem_id="to-grey")
        to_face = gr.Button("face", elem_id="to-face")
        arrivals = gr.JSON(elem_id="arrivals", visible="hidden")
        got = gr.Textbox(elem_id="got", label="got")
        board.select(arrived, outputs=arrivals).then(json.dumps, arrivals, got)
        to_grey.click(lambda: pad.pad_value(DIGITS), outputs=board)
        to_face.click(
            lambda: pad.pad_value(FACES, images.from_uint8(faces.sample(17)[0][None])),
            outputs=board,
        )
    with launched(demo, theme=look.theme(), css=look.css()) as url:
        yield url


@pytest.fixture
def page(browser, desk):
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.set_default_timeout(WAIT)
    problems, posts = [], []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: "queue/join" in request.url and posts.append(request.url))
    page.goto(f"{desk}?__theme=light")
    page.wait_for_selector("#pad .chip")
    page.locator("#pad .use").click(trial=True)  # the layout stands still
    page.posts = posts
    yield page
    page.close()
    assert problems == []


def use(page, side):
    """Press the button and give what Python got, as rows."""
    before = page.input_value("#got textarea, #got input")
    page.click("#pad .use")
    page.wait_for_function(
        "before => document.querySelector('#got textarea, #got input').value !== before", arg=before
    )
    found = json.loads(page.input_value("#got textarea, #got input"))
    assert found["side"] == side
    return [found["pixels"][i : i + side] for i in range(0, len(found["pixels"]), side)]


def spot(page, column, row, side=16):
    board = page.locator("#pad canvas")
    board.scroll_into_view_if_needed()  # a click elsewhere may have scrolled it out
    box = board.bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / side, box["y"] + (row + 0.5) * box[
        "height"
    ] / side


def drag(page, *points, side=16):
    page.mouse.move(*spot(page, *points[0], side))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*spot(page, *point, side))
    page.mouse.up()


def painted(rows, colour):
    return {(x, y) for y, row in enumerate(rows) for x, pixel in enumerate(row) if pixel == colour}


@in_browser
def test_mouse_strokes_arrive_only_when_asked_for(page):
    page.click("#pad .chip[data-colour='#de0f0d']")
    drag(page, (2, 3), (9, 3))
    drag(page, (12, 5), (12, 14), (5, 14))
    page.wait_for_timeout(300)
    assert page.posts == []
    line = {(x, 3) for x in range(2, 10)}
    corner = {(12, y) for y in range(5, 15)} | {(x, 14) for x in range(5, 13)}
    rows = use(page, 16)
    assert painted(rows, 0xDE0F0D) == line | corner
    assert painted(rows, SKY) | line | corner == {(x, y) for x in range(16) for y in range(16)}


@in_browser
def test_fill_erase_undo_and_clear(page):
    page.click("#pad .chip[data-colour='#000000']")
    drag(page, (0, 8), (15, 8))
    page.click("#pad [data-tool=fill]")
    page.click("#pad .chip[data-colour='#ffdbac']")
    page.mouse.click(*spot(page, 4, 2))
    page.click("#pad [data-tool=eraser]")
    drag(page, (6, 1), (8, 1))
    rows = use(page, 16)
    assert painted(rows, 0xFFDBAC) == {(x, y) for x in range(16) for y in range(8)} - {
        (6, 1),
        (7, 1),
        (8, 1),
    }
    assert painted(rows, 0) == {(x, 8) for x in range(16)}
    page.click("#pad [data-do=undo]")
    assert len(painted(use(page, 16), 0xFFDBAC)) == 128
    page.click("#pad [data-do=clear]")
    assert len(painted(use(page, 16), SKY)) == 256
    page.click("#pad [data-do=undo]")
    assert len(painted(use(page, 16), 0xFFDBAC)) == 128


@in_browser
def test_the_keyboard_draws(page):
    page.locator("#pad .chip[data-colour='#ffffff']").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.colour") == "#000000"
    page.focus("#pad canvas")
    for key in (
        "ArrowLeft",
        "ArrowUp",
        "Space",
        "ArrowDown",
        "ArrowDown",
        "Shift+ArrowRight",
        "Shift+ArrowRight",
        "ArrowUp",
        "Enter",
    ):
        page.keyboard.press(key)
    assert page.locator("#pad .cursor").is_visible()
    expect(page.locator("#pad .said")).to_have_text("row 9, column 10, #000000")
    assert painted(use(page, 16), 0) == {(7, 7), (7, 9), (8, 9), (9, 9), (9, 8)}
    page.focus("#pad canvas")
    page.keyboard.press("Control+z")
    assert painted(use(page, 16), 0) == {(7, 7), (7, 9), (8, 9), (9, 9)}


@in_browser
def test_touch_draws_without_scrolling(page):
    box = page.locator("#pad canvas").bounding_box()
    page.locator("#pad canvas").tap(
        position={"x": 5.5 * box["width"] / 16, "y": 6.5 * box["height"] / 16}
    )  # waits until it stands still
    rows = use(page, 16)
    assert len(painted(rows, SKY)) == 255
    assert rows[6][5] != SKY
    assert (
        page.evaluate("getComputedStyle(document.querySelector('#pad canvas')).touchAction")
        == "none"
    )


@in_browser
def test_the_pad_follows_the_model_and_the_grey_pen_is_soft(page):
    page.click("#to-grey")
    expect(page.locator("#pad .swatches")).to_be_hidden()
    drag(page, (8, 16), (24, 16), side=32)
    rows = use(page, 32)
    assert all(rows[16][x] == 255 for x in range(8, 25))
    assert 0 < rows[15][16] < 255
    assert rows[15][16] == rows[17][16]
    assert sum(map(sum, rows[:14])) == sum(map(sum, rows[19:])) == 0
    page.click("#pad [data-tool=eraser]")
    drag(page, (16, 10), (16, 22), side=32)
    assert use(page, 32)[16][16] == 0
    page.click("#to-face")
    expect(page.locator("#pad .chip")).to_have_count(
        sum(len(group["colours"]) for group in pad.swatches())
    )
    pixels = [pixel for row in use(page, 16) for pixel in row]
    assert torch.equal(
        pad.read_drawing(FACES, posted(FACES, pixels)), images.from_uint8(faces.sample(17)[0][None])
    )


@in_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_pad_is_narrow_and_its_pixels_are_whole(browser, desk, width, theme):
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(f"{desk}?__theme={theme}")
    page.wait_for_selector("#pad .chip")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    board = page.locator("#pad canvas").bounding_box()
    assert board["width"] == board["height"] <= 288
    assert board["width"] % 16 == 0
    page.close()
