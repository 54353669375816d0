import base64
import io
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qsl

import gradio as gr
import numpy as np
import pytest
from doubles import save_latent, save_pipeline
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from diffdemo import lab, models
from diffdemo.errors import DiffdemoError
from diffdemo.experiments import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.lab.notation import picture_from_png
from diffdemo.lab.prepare import picture_text
from diffdemo.models import load_model
from diffdemo.page import links
from diffdemo.page.arrivals import Arrivals
from diffdemo.page.controls import opening_trip
from diffdemo.pictures.images import png_bytes
from diffdemo.report import exports
from diffdemo.report.portraits import missing_portrait
from diffdemo.serving.addresses import linked_experiment
from diffdemo.widgets.uploads import Upload, read_upload
from diffdemo.widgets.views import WAITING

FINISHED = {
    "text": "Done.",
    "query": "the first example's",
}  # the sentence of a page that came with its result
CATS = "google/ddpm-cat-256"
CATS_LINK = RoundTrip(CATS).to_query()
SMALL = picture_from_png(png_bytes(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)))
LINKS = [
    RoundTrip(n=731, seeds=(9, 2, 5), steps=300, solver="dpm++2m", spacing="logsnr", start="noise"),
    RoundTrip("digits", "digit:61", n=0, seeds=range(40, 104), eta=0.37),
    RoundTrip(picture=SMALL, n=1000, seeds=(2**31 - 1,), steps=1000, eta=1),
    Curve("digits", "digit:5", (0, 10, 999), (4,), 7, 1.0, spacing="logsnr"),
    Curve(seeds=range(17)),
    Embedding(
        n=1000, seeds=(3, 4), steps=500, methods=("ddim", "dpm-encoder"), warm=0.9, other=SMALL
    ),
    Embedding("digits", "digit:3", n=999, seeds=(8, 1), methods=("random",)),
    Collision(picture=SMALL, other="face:12", n=1, seed=77, steps=900, eta=0.25),
    Belief(n=1000, seed=2**31 - 1, line_up=f"face:1,{SMALL},digit:7"),
    Belief("digits", "digit:3", n=3),
    Branch(seed=5, points=32, futures=32, steps=1000, jump=20),
    Branch("digits", "digit:9", points=1, futures=2, steps=1),
]


@pytest.fixture(scope="module")
def page(exhibit):
    return exhibit


@pytest.fixture(scope="module")
def arrivals(page):
    return Arrivals(page)


def visit(arrivals, query: str, sentence=FINISHED) -> dict:
    """What the page shows to somebody who comes by a link; keyed by control."""
    parameters = dict(parse_qsl(query))
    return arrivals.arrive(sentence, SimpleNamespace(query_params=parameters))


def arrive(arrivals, e) -> dict:
    return visit(arrivals, e.to_query())


def shown(widget, found: dict):
    """A control's value once the page shows what was found."""
    new = found.get(widget, widget.value)
    if isinstance(new, dict) and new.get("__type__") == "update":
        return new.get("value", widget.value)
    return new


def described(page, found: dict):
    """The experiment that all the controls of the page describe then."""
    tab = page.tabs[found.get(page.open, 0)]
    values = {widget: shown(widget, found) for widget in page.inputs}
    return replace(page.experiment(tab, values)[0], revision="")


def event(page, name: str):
    return next(block for block in page.demo.fns.values() if block.fn and block.fn.__name__ == name)


@pytest.mark.parametrize("e", LINKS, ids=lambda e: f"{e.kind}-{e.model}")
def test_a_link_sets_every_control_opens_its_tab_and_is_run(page, arrivals, e):
    found = arrive(arrivals, e)
    assert described(page, found) == e
    assert page.tabs[found[page.open]].kind is type(e)
    assert (page.strip in found) == (
        found[page.open] != 0
    )  # the first tab is open already, and would be built anew
    assert page.strip not in found or found[page.strip].selected == found[page.open]
    assert found[page.pending] == (e, None)
    assert found[page.notice]["run"]
    assert found[page.notice]["place"] == f"{e.kind}-sentence"
    assert found[page.notice]["text"] == ""


@pytest.mark.parametrize("e", LINKS, ids=lambda e: f"{e.kind}-{e.model}")
def test_sliders_hold_the_values_that_a_link_gives_them(page, arrivals, e):
    for widget, new in arrive(arrivals, e).items():
        if isinstance(widget, gr.Slider):
            assert (
                new.get("minimum", widget.minimum)
                <= new["value"]
                <= new.get("maximum", widget.maximum)
            )


def test_every_widget_that_is_written_is_an_output_of_the_event_that_writes_it(page, arrivals):
    offered = visit(arrivals, f"v=1&model={CATS}")
    for name in ("arrive", "take", "drop", "switch", "loaded"):
        outputs = set(event(page, name).outputs)
        for found in (
            *(arrive(arrivals, e) for e in LINKS[:1]),
            arrivals.switch("digits", {"n": 250}),
            offered,
        ):
            assert set(found) <= outputs


BROKEN = [
    "v=2",
    "v=1&n=1001",
    "v=1&kind=teleport",
    "v=1&colour=red",
    "kind=curve",
    "v=1&seeds=0-99999999",
    "v=1&model=../etc",
    "v=1&model=no-such-model",
    "v=1&picture=png:A",
    f"v=1&picture=png:{base64.urlsafe_b64encode(b'GIF89a').decode()}",
    "v=1&prompt=a cat",
    "v=1&guidance=2",
    "v=1&kind=collide&other=png:AAAA",
    "v=1&kind=belief&line_up=face:1,png:AAAA",
    "v=1&kind=embed&other=png:AAAA",
    "v=1&picture=" + "x" * 9000,
]


@pytest.mark.parametrize("query", BROKEN, ids=lambda query: query[:40])
def test_a_broken_link_changes_nothing_but_the_notice(page, arrivals, query):
    found = visit(arrivals, query)
    assert set(found) == {page.notice}
    assert found[page.notice]["text"].endswith("The page shows its first example instead.")
    assert found[page.notice]["run"] == ""


@pytest.mark.parametrize(
    "query",
    [
        "",
        "utm_source=x&utm_medium=y&fbclid=1&gclid=2&__theme=dark&__sign=3&ref=hn&logs=build&deep_link=x",
        "stage=1&N=5",
    ],
)
def test_a_plain_visit_changes_nothing(page, arrivals, query):
    assert visit(arrivals, query) == {page.notice: {**links.notice(""), "arrived": True}}


@pytest.mark.parametrize("query", ["", "v=2", CATS_LINK])
def test_visitors_before_the_first_result_get_it_run_whatever_the_link(page, arrivals, query):
    request = SimpleNamespace(query_params=dict(parse_qsl(query)))
    for sentence in (WAITING, None, "hostile"):
        found = arrivals.arrive(sentence, request)
        assert found[page.pending] == (opening_trip(page.models), None)
        assert described(page, found) == opening_trip(page.models)
        assert found[page.notice]["run"]
        assert found[page.notice]["text"] == arrivals.arrive(FINISHED, request)[page.notice]["text"]


def test_an_address_with_one_field_runs_the_opening_with_it(page, arrivals):
    found = visit(arrivals, "n=1000&stage=1")
    assert found[page.pending] == (replace(opening_trip(page.models), n=1000), None)
    assert "cannot be 5000" in visit(arrivals, "n=5000")[page.notice]["text"]


def test_foreign_names_beside_a_link_are_passed_over():
    assert linked_experiment(
        {"v": "1", "n": "7", "utm_source": "x", "__sign": "y", "fbclid": "z"}
    ) == RoundTrip(n=7)
    assert linked_experiment({"v": "1", "revision": "0123456789ab"}).revision == "0123456789ab"
    assert linked_experiment({"v": "1", "prompt": "a+b & c=d"}).prompt == "a+b & c=d"
    for name in ("reference", "logsnr", "xutm_source", "my__theme"):
        with pytest.raises(DiffdemoError, match="does not have"):
            linked_experiment({"v": "1", name: "x"})


def test_other_weights_and_absent_pictures_are_said(faces_model):
    e = RoundTrip(revision="0" * 12)
    assert (
        links.remark(replace(e, revision=""), faces_model, True)
        == links.remark(replace(e, revision=faces_model.revision), faces_model, True)
        == ""
    )
    assert "weights 000000000000" in links.remark(e, faces_model, True)
    assert faces_model.revision in links.remark(e, faces_model, True)
    both = links.remark(e, faces_model, False)
    assert "pictures may differ" in both
    assert "too large to travel" in both


def test_a_link_with_other_weights_runs_and_says_so(page, arrivals):
    found = arrive(arrivals, RoundTrip(revision="0" * 12))
    assert "pictures may differ" in found[page.notice]["text"]
    assert found[page.notice]["run"]


HASH = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        (missing_portrait(HASH), {"picture": "face:1"}, True),
        (missing_portrait(HASH), {"picture": HASH}, False),
        (None, {"picture": "face:1"}, False),
        ({"picture": HASH, "src": "data:"}, {"picture": "face:1"}, False),
        ({"picture": "face:2"}, {"picture": "face:1"}, False),
        ("x", {"picture": "face:1"}, False),
        ({}, {"picture": "face:1"}, False),
    ],
)
def test_only_a_picture_that_a_link_waits_for_can_be_the_wrong_one(before, after, wrong):
    assert bool(links.other_picture(before, after)) is wrong


def test_two_runs_are_never_the_same_news_to_the_browser():
    assert links.notice("x", run="embed") != links.notice("x", run="embed")
    assert links.notice("x") == {"text": "x", "run": "", "place": ""}


@pytest.fixture(scope="module")
def cats_model(tmp_path_factory):
    return replace(
        load_model(str(save_pipeline(tmp_path_factory.mktemp("cats") / "cats", size=32)), "cpu"),
        name=CATS,
    )


def offer_as_cats(model, page, monkeypatch) -> None:
    """The table's model is this one, and not loaded yet."""
    steps, load = models.load_steps, models.load_model

    def load_steps(name, device=None, dtype="float32"):
        yield from (
            (models.Loading("downloading", 1, 2), model)
            if name == CATS
            else steps(name, device, dtype)
        )

    monkeypatch.setattr(models, "load_steps", load_steps)
    monkeypatch.setattr(
        models, "load_model", lambda name, *rest: model if name == CATS else load(name, *rest)
    )
    monkeypatch.setattr(page.models, "_on_disk", set(models.BUNDLED))
    monkeypatch.setattr(page.models, "names", list(page.models.names))


@pytest.fixture
def cats(page, cats_model, monkeypatch):
    offer_as_cats(cats_model, page, monkeypatch)
    return cats_model


@pytest.fixture
def loaded(page, cats):
    list(page.models.fetch(CATS))
    return cats


def test_a_link_to_a_model_that_is_not_loaded_only_offers_it(page, arrivals, cats):
    e = RoundTrip(CATS, n=300, seeds=(1,), steps=2)
    found = arrive(arrivals, e)
    others = page.others
    assert set(found) == {page.wanted, page.notice, others.fold, others.name, others.card}
    assert found[page.wanted] == e
    assert found[others.name] == CATS
    assert found[others.fold].open
    assert "not loaded here yet" in found[page.notice]["text"]
    assert found[page.notice]["run"] == ""
    with pytest.raises(DiffdemoError, match="not loaded yet"):
        page.models[CATS]


def test_the_link_is_followed_once_its_model_is_loaded(page, arrivals, cats):
    e = RoundTrip(CATS, n=300, seeds=(1,), steps=2)
    wanted = arrive(arrivals, e)[page.wanted]
    assert [state.done for state in page.models.fetch(CATS)] == [1]
    found = arrivals.loaded(CATS, {"n": 250}, wanted)
    assert described(page, found) == e
    assert found[page.pending] == (e, None)
    assert found[page.wanted] is None
    first, *_, last = page._follow(found)
    assert last[page.tabs[0].sentence]["query"] == e.to_query()
    assert first == {page.pending: None}  # at once, so that a later link is not cleared


def test_the_switch_offers_the_model_of_a_link_that_is_loaded_already(page, arrivals, loaded):
    found = arrive(arrivals, RoundTrip(CATS, n=300, seeds=(1,), steps=2))
    assert found[page.controls.switch]["value"] == CATS
    assert CATS in found[page.controls.switch]["choices"]


def test_another_model_that_is_loaded_first_does_not_follow_the_link(page, arrivals, loaded):
    found = arrivals.loaded(CATS, {"n": 250}, RoundTrip("digits", "digit:3"))
    assert page.pending not in found
    assert found[page.controls.portrait]["picture"].startswith("face:")
    assert arrivals.loaded(CATS, {"n": 250}, None)[page.notice] == links.notice("")


def test_a_link_that_holds_only_a_hash_asks_for_the_picture(page, arrivals, loaded):
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    )
    e = RoundTrip(CATS, picture_text(loaded, picture), n=300, seeds=(1,), steps=2)
    found = arrive(arrivals, e)
    assert e.picture.startswith("sha256:")
    assert found[page.pending] is None
    assert found[page.notice]["run"] == ""
    assert "too large to travel" in found[page.notice]["text"]
    assert described(page, found) == e
    wanted = found[page.controls.portrait]
    right, wrong = (
        arrivals.take(CATS, wanted, Upload(picture)),
        arrivals.take(CATS, wanted, Upload(Image.new("RGB", (32, 32)))),
    )
    assert right[page.notice]["text"] == ""
    assert right[page.controls.portrait]["picture"] == e.picture
    assert "another picture" in wrong[page.notice]["text"]
    assert page.pending not in right | wrong


def test_a_png_that_carries_a_large_picture_restores_both(page, arrivals, loaded):
    picture = Image.fromarray(
        np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    )
    e = RoundTrip(CATS, picture_text(loaded, picture), n=300, seeds=(1,), steps=2)
    data = exports.export(lab.run(e, loaded, picture), "sheet")
    found = arrivals.take("faces", None, read_upload(data))
    e_found, given = found[page.pending]
    assert replace(e_found, revision="") == e
    assert np.array_equal(np.asarray(given), np.asarray(picture))
    assert found[page.controls.portrait]["picture"] == e.picture
    assert found[page.controls.portrait]["src"]
    assert found[page.notice]["run"]


BEYOND = [
    RoundTrip(n=500),
    RoundTrip(n=500, picture=HASH),
    Curve(levels=(0, 500), picture=HASH),
    Collision(n=201, picture=HASH),
    RoundTrip(prompt="x"),
]


@pytest.mark.parametrize("e", BEYOND)
def test_a_link_beyond_what_a_model_does_is_refused_even_before_its_picture_is_there(
    page, arrivals, monkeypatch, tmp_path, e
):
    offer_as_cats(
        replace(load_model(str(save_latent(tmp_path / "kl", "kl", T=200)), "cpu"), name=CATS),
        page,
        monkeypatch,
    )
    list(page.models.fetch(CATS))
    found = arrive(arrivals, replace(e, model=CATS))
    assert set(found) == {page.notice}
    assert (
        "200 noise steps" in found[page.notice]["text"]
        or "takes no prompt" in found[page.notice]["text"]
    )


def test_a_png_of_ours_restores_its_experiment_and_a_plain_picture_does_not(page, arrivals, runs):
    result, _ = runs["round-trip"]
    found = arrivals.take("digits", None, read_upload(exports.export(result, "sheet")))
    assert described(page, found) == replace(result.experiment, revision="")
    assert found[page.pending] == (result.experiment, None)
    plain = arrivals.take(
        "faces", None, read_upload(exports.export(result, "sheet", remember=False))
    )
    assert set(plain) == {page.controls.portrait, page.notice}
    assert plain[page.controls.portrait]["picture"].startswith("png:")
    assert arrivals.take("faces", None, None) == {page.notice: links.notice("")}


def test_a_dropped_file_is_taken_like_an_uploaded_one(page, arrivals, runs):
    data = base64.b64encode(exports.export(runs["round-trip"][0], "sheet")).decode()
    found = arrivals.drop("digits", None, SimpleNamespace(value=data))
    assert found[page.pending] == (runs["round-trip"][0].experiment, None)


def test_a_png_whose_experiment_is_broken_gets_one_sentence(page, arrivals):
    info, buffer = PngInfo(), io.BytesIO()
    info.add_text(exports.QUERY, "v=1&n=5000")
    Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=info)
    with pytest.raises(DiffdemoError, match="Noise steps n"):
        arrivals.drop(
            "faces", None, SimpleNamespace(value=base64.b64encode(buffer.getvalue()).decode())
        )


def test_the_switch_brings_the_first_examples_and_nothing_collected(page, arrivals):
    found = arrivals.switch("digits", {"n": 400})
    assert found[page.controls.portrait]["picture"] == "digit:0"
    assert found[page.second.portrait]["picture"] == "digit:3"
    assert found[page.tab_of(Belief()).own["line_up"]] == []
    assert found[page.controls.n]["n"] == 400
    assert page.pending not in found
    for name, n in (("cats", 400), (None, 400), (["faces"], 1), ("faces", 1001), ("faces", None)):
        with pytest.raises(DiffdemoError):
            arrivals.switch(name, {"n": n})
    with pytest.raises(DiffdemoError, match="noise steps"):
        arrivals.switch("faces", 400)


def current(page, **changes):
    """The values of an untouched page, and what is pending."""
    values = {widget: widget.value for widget in (*page.inputs, *page.sentences)}
    return {**values, page.pending: changes.pop("pending", None), **changes}


def test_nothing_else_runs_while_a_link_is_about_to(page):
    first = page.tabs[0]
    values = current(page, pending=(RoundTrip(), None))
    assert list(page._refresh(values)) == [{first.sentence: gr.skip()}]
    assert list(page._follow({page.pending: None})) == [{page.pending: gr.skip()}]


def test_a_tab_that_shows_what_its_controls_describe_is_not_run_again(page):
    first = page.tabs[0]
    values = current(page)
    values[first.sentence] = {"query": opening_trip(page.models).to_query()}
    assert list(page._refresh(values)) == [{first.sentence: gr.skip()}]
    values[first.sentence] = {"query": RoundTrip(n=3).to_query()}
    values[page.controls.settings["steps"]] = 1
    *_, last = page._refresh(values)
    assert set(last) == {first.sentence, first.shown}  # what is pending stays so
