"""Links, files and other models in headless Chromium: what leaves the page comes back the same."""

import base64
import io
import re
import zipfile

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
    run,
    sentence,
    set_dial,
    set_number,
    unfold,
)
from PIL import Image

from diffdemo.lab.experiment import experiment_from_query
from diffdemo.report.exports import read_experiment

pytestmark = in_browser

DROP = """async ([data, name]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0)), files = new DataTransfer();
  files.items.add(new File([bytes], name, {type: 'image/png'}));
  const options = {dataTransfer: files, bubbles: true, cancelable: true};
  for (const kind of ['dragover', 'drop'])
    document.body.dispatchEvent(new DragEvent(kind, options));
}"""


@pytest.fixture
def fresh(browser, address):
    """Opens a query in a profile of its own; no page may fail or ask elsewhere."""
    contexts, problems = [], []

    def open_link(link=""):
        context = browser.new_context(
            viewport={"width": 1280, "height": 900},
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: (
                request.url.startswith((address, "data:", "blob:")) or problems.append(request.url)
            ),
        )
        page.goto(link if link.startswith("http") else address + link)
        page.wait_for_selector("#dial .run", state="attached")
        page.wait_for_timeout(500)
        return page

    yield open_link
    for context in contexts:
        context.close()
    assert problems == []


def dialled(page):
    return page.locator("#dial .exact input").input_value()


def number(page, selector):
    box = page.locator(f"{selector} input[type=number]")
    if not box.count():
        open_settings(page)
    return box.input_value()


def test_a_copied_link_opens_in_a_fresh_profile_with_the_same_pictures(fresh):
    page = fresh()
    set_number(page, "#count", 3)
    set_number(page, "#first", 40)
    choose_picture(page)
    page.locator("#examples button").nth(2).click()
    set_dial(page, 450)
    run(page)
    expect(sentence(page)).to_contain_text("After 450 steps of noise", timeout=WAIT)
    expect(page).to_have_url(
        re.compile(
            r"\?v=1&kind=round-trip&model=faces&picture=face:12&n=450&seeds=40-42&.*revision=[0-9a-f]{12}$"
        )
    )
    page.click("#dial .share-result")
    page.locator("#round-trip-sentence").get_by_role("button", name="Copy link").first.click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    other = fresh(link)
    expect(sentence(other)).to_have_text(sentence(page).inner_text(), timeout=WAIT)
    for each in (page, other):
        each.wait_for_function("window.diffdemoOutcomes.base")  # noise is drawn in the browser
    assert [pictures(other, kind) for kind in ("noise", "reconstruction")] == [
        pictures(page, kind) for kind in ("noise", "reconstruction")
    ]
    assert (dialled(other), number(other, "#count"), number(other, "#first")) == (
        "450",
        "3",
        "40",
    )
    expect(other.locator("#portrait p")).to_contain_text("Face 12")
    assert other.url == link
    run(other)
    expect(other).to_have_url(link)


def test_links_open_their_tab_with_every_control_set(fresh):
    page = fresh(
        "?v=1&kind=branch&model=digits&picture=digit:5&seed=3&points=1&futures=13&steps=2&jump=1"
    )
    expect(sentence(page, "branch")).to_contain_text("Paths that part", timeout=3 * WAIT)
    unfold(page, "Settings of these paths")
    assert [number(page, f"#branch-{name}") for name in ("points", "futures", "steps", "jump")] == [
        "1",
        "13",
        "2",
        "1",
    ]
    open_settings(page)
    assert page.get_by_role("radio", name="digits").is_checked()
    page = fresh("?v=1&kind=belief&n=450&seed=7&line_up=face:17,face:4,face:12")
    expect(sentence(page, "belief")).to_contain_text("knows all 3 pictures", timeout=WAIT)
    assert (dialled(page), number(page, "#first")) == ("450", "7")
    page = fresh("?v=1&n=300&seeds=9,3,5&steps=4&solver=dpm%2B%2B2m")
    expect(sentence(page)).to_contain_text("After 300 steps of noise", timeout=WAIT)
    expect(page.locator("#stage .pair")).to_have_count(3)
    open_tab(page, "Two pictures, one noise")
    expect(page).to_have_url(re.compile("kind=collide"), timeout=WAIT)
    open_tab(page, "There and back")
    expect(page).to_have_url(re.compile("kind=round-trip.*seeds=9,3,5"))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?v=1&n=2000", "Noise steps n cannot be 2000"),
        ("?v=1&kind=magic", "an experiment this copy does not have"),
        ("?v=9", "not of version 1"),
        ("?v=1&model=/etc/passwd", "Model cannot be"),
        ("?v=1&picture=png:AAAA", "not a readable picture"),
        ("?v=1&model=cats", "no such model"),
        ("?v=1&x=<script>alert(1)</script>", "a field that a round-trip does not have"),
        ("?v=1&seeds=" + "1," * 4500, "at most 8000 characters"),
    ],
)
def test_a_broken_link_gets_one_sentence_and_the_first_example(fresh, query, says):
    page = fresh(query)
    expect(page.locator(".notice")).to_contain_text(says, timeout=WAIT)
    expect(page.locator(".notice")).to_contain_text("The page shows its first example instead.")
    expect(sentence(page)).to_contain_text("After 250 steps of noise")


def test_a_link_without_its_picture_asks_for_the_file(fresh, tmp_path):
    page = fresh(f"?v=1&picture=sha256:{'0' * 64}&n=100&seeds=1&steps=2")
    expect(page.locator(".notice")).to_contain_text("upload that picture and it runs", timeout=WAIT)
    expect(page.locator("#portrait p")).to_contain_text("not in the link")
    Image.new("RGB", (64, 64), (20, 120, 250)).save(tmp_path / "other.png")
    choose_picture(page)
    page.set_input_files("#upload input[type=file]", tmp_path / "other.png")
    expect(page.locator(".notice")).to_contain_text(
        "another picture than the link names", timeout=WAIT
    )
    expect(sentence(page)).to_contain_text("After 100 steps of noise, the try", timeout=WAIT)


def test_saved_files_are_what_they_say_and_a_dropped_png_restores_its_experiment(fresh):
    page = fresh("?v=1&picture=face:33&n=350&seeds=4,8&steps=5")
    expect(sentence(page)).to_contain_text("After 350 steps of noise", timeout=WAIT)
    page.click("#dial .share-result")

    def saved(words):
        with page.expect_download(timeout=WAIT) as download:
            page.get_by_role("button", name=words).click()
        return download.value.path().read_bytes()

    png = saved("Contact sheet, PNG")
    experiment, _ = read_experiment(png)
    assert experiment == experiment_from_query(page.url.partition("?")[2])
    for words in ("Film, GIF", "Film, WebP"):
        film = Image.open(io.BytesIO(saved(words)))
        assert film.n_frames >= 5 + 2
    assert {"sheet.png", "table.csv", "result.json"} < set(
        zipfile.ZipFile(io.BytesIO(saved("Everything, ZIP"))).namelist()
    )
    single, _ = read_experiment(saved("Save the noisy picture"))
    assert single == experiment
    page.locator("#round-trip-sentence input[type=checkbox]").uncheck()
    assert read_experiment(saved("Contact sheet, PNG")) is None
    other = fresh("?v=1&kind=branch&points=2&futures=1&steps=2")
    other.evaluate(DROP, [base64.b64encode(png).decode(), "sheet.png"])
    expect(sentence(other)).to_contain_text("After 350 steps of noise", timeout=WAIT)
    assert pictures(other, "reconstruction") == pictures(page, "reconstruction")
    expect(other.locator("#portrait p")).to_contain_text("Face 33")
    other.get_by_role("link", name="Open seed 4 alone").click()
    expect(sentence(other)).to_contain_text("After 350 steps of noise, the try", timeout=WAIT)


def test_the_words_for_a_forum_hold_picture_link_and_sentence(fresh):
    page = fresh("?v=1&n=200&seeds=1-2&steps=3")
    finished(page, 200)
    page.click("#dial .share-result")
    page.get_by_role("button", name="Copy for the forum").click()
    words = page.evaluate("navigator.clipboard.readText()")
    picture, link, says = words.rstrip("\n").split("\n\n")
    assert picture.startswith("![")
    assert link == page.url
    assert "200 steps" in says


def test_an_address_with_one_field_opens_with_it(fresh):
    page = fresh("?n=900&seeds=2&utm_source=x")
    page.wait_for_url(re.compile(r"n=900&seeds=2&steps=16&.*solver=dpm"), timeout=WAIT)
    assert dialled(page) == "900"


def test_another_model_is_offered_with_what_it_takes_and_says_why_it_cannot_be_loaded(fresh):
    page = fresh("?v=1&model=google/ddpm-cifar10-32&n=300&seeds=1")
    expect(page.locator(".notice")).to_contain_text("is not loaded here yet", timeout=WAIT)
    expect(page.locator("#card .note")).to_contain_text(
        "On this machine 4 seeds with 20 steps take about"
    )
    page.click("#load")
    expect(page.locator("#card .note")).to_contain_text("google/ddpm-cifar10-32", timeout=WAIT)
    run(page)
    expect(sentence(page)).to_contain_text("8 tries", timeout=WAIT)


def test_in_the_frame_of_a_space_the_page_around_learns_the_link(browser, address):
    page = browser.new_page()
    script = "heard = []; onmessage = e => heard.push(e.data.queryString)"
    inner = f'<iframe src="{address}?v=1&n=150&seeds=2&steps=2"></iframe>'
    frame = f"<script>{script}</script>{inner}"
    page.route(
        "https://huggingface.co/**",
        lambda route: route.fulfill(body=frame, content_type="text/html"),
    )
    page.goto("https://huggingface.co/spaces/some/one")
    page.wait_for_function(
        "heard.some(query => query && query.includes('n=150') && query.includes('revision='))",
        timeout=WAIT,
    )
    page.close()
