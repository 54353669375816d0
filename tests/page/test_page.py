import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from test_docs import SNIPPETS, run_example

from diffdemo.lab.experiment import KINDS


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


def test_the_endpoint_runs_an_experiment(client):
    found = client.predict(picture="face:17", n=250, seeds="0-2", steps=4, api_name="/round_trip")
    assert found["seeds"] == [0, 1, 2]
    assert found["sentence"].startswith("After 250 steps of noise")
    assert found["query"].startswith(
        "v=1&kind=round-trip&model=faces&picture=face:17&n=250&seeds=0-2&steps=4"
    )
    assert (
        len(found["came_back"])
        == len(found["rmse"])
        == len(found["kept"])
        == len(found["x_n"])
        == len(found["reconstructions"])
        == 3
    )
    assert all(
        uri.startswith("data:image/png;base64,")
        for uri in [found["x0"], *found["x_n"], *found["reconstructions"]]
    )


def test_the_same_request_gives_the_same_pictures(client):
    one, other = (
        client.predict(n=1000, seeds="3,1", steps=3, api_name="/round_trip") for _ in range(2)
    )
    assert one["reconstructions"] == other["reconstructions"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n": 1001}, "Noise steps n"),
        ({"seeds": "0-999999999"}, "seeds"),
        ({"model": "/etc"}, "Model"),
        ({"picture": "../x.png"}, "Picture"),
        ({"model": "cats"}, "no such model"),
        ({"model": "google/ddpm-cat-256"}, "not loaded yet"),
        ({"eta": 9}, "eta"),
        ({"solver": "euler"}, "Solver"),
    ],
)
def test_bad_requests_get_one_sentence_and_the_next_good_one_succeeds(client, options, says):
    with pytest.raises(AppError, match=says):
        client.predict(**options, api_name="/round_trip")
    assert client.predict(n=0, seeds="0", steps=1, api_name="/round_trip")["came_back"] == [True]


def test_the_curve_endpoint_tells_what_is_known_at_every_level(client):
    found = client.predict(
        picture="digit:3",
        model="digits",
        levels="0,500,1000",
        seeds="0-1",
        steps=3,
        api_name="/curve",
    )
    assert found["levels"] == [0, 500, 1000]
    assert found["came_back"][0] == [True, True]
    assert found["bits_known"][0][0] == pytest.approx(found["bits"])
    assert found["query"].startswith(
        "v=1&kind=curve&model=digits&picture=digit:3&levels=0:1000:500&seeds=0-1&steps=3"
    )
    with pytest.raises(AppError, match="Levels of n"):
        client.predict(levels="9,3", api_name="/curve")


def test_the_belief_endpoint_names_candidates(client):
    found = client.predict(n=200, seed=4, api_name="/belief")
    assert found["top"][0] == {
        "picture": "face:17",
        "probability": pytest.approx(1, abs=1e-3),
        "own": True,
    }
    assert found["count"] == 10_000
    assert sum(v["probability"] for v in found["marginals"]["hat"]) == pytest.approx(1)
    assert found["posterior_mean"].startswith("data:image/png;base64,")
    with pytest.raises(AppError, match="Line-up"):
        client.predict(line_up="../x", api_name="/belief")


def test_the_embed_endpoint_compares_codes(client):
    found = client.predict(
        n=500, seeds="0-1", steps=4, methods="ddim,edit-friendly", other="face:4", api_name="/embed"
    )
    assert list(found["codes"]) == ["ddim", "edit-friendly"]
    assert (
        max(found["codes"]["edit-friendly"]["largest"])
        < 1e-4
        < found["codes"]["ddim"]["largest"][0]
    )
    assert found["errors_by_steps"]["ddim"]["steps"] == [4, 5, 10, 20, 50]
    assert set(found["bands"]) == set(found["codes"]["ddim"]["statistics"])
    assert len(found["swap"]["mixtures"]) == 9
    assert found["query"].startswith(
        "v=1&kind=embed&model=faces&picture=face:17&n=500&seeds=0-1&steps=4&methods=ddim,edit-friendly&warm=0&other=face:4"
    )
    with pytest.raises(AppError, match="Codes"):
        client.predict(methods="magic", api_name="/embed")


def test_the_collide_endpoint_gives_exact_odds(client):
    found = client.predict(n=400, seed=2, steps=3, api_name="/collide")
    assert len(found["reconstructions"]) == len(found["a"]) == len(found["kept_b"]) == 8
    assert found["log10_odds"][found["levels"].index(400)] == pytest.approx(
        -found["log_odds"] / 2.302585, rel=1e-5
    )
    assert found["seeds"] == list(range(3, 11))
    with pytest.raises(AppError, match="at least 1"):
        client.predict(n=0, api_name="/collide")


def test_the_branch_endpoint_tells_when_it_is_decided(client):
    found = client.predict(points=3, futures=2, steps=4, seed=1, api_name="/branch")
    assert found["levels"] == [1000, 500, 250]
    assert [len(row) for row in found["futures"]] == [2, 2, 2]
    assert found["diversity"][-1] == 0
    assert found["kept"][-1] == 1
    with pytest.raises(AppError, match="Jump back"):
        client.predict(jump=-1, api_name="/branch")


def test_only_the_named_endpoints_are_listed_and_the_queue_cannot_be_skipped(client, address):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == [
        f"/{kind.replace('-', '_')}" for kind in KINDS
    ]
    body = json.dumps(
        {"data": ["faces", "face:17", 0, "0", 1, 0, "ddim", "trailing", "picture"]}
    ).encode()
    request = urllib.request.Request(
        f"{address}gradio_api/run/round_trip", body, {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code in (401, 403, 404)


def test_the_client_snippet_of_the_readme_runs(address, capsys):
    (snippet,) = [snippet for snippet in SNIPPETS if "gradio_client" in snippet]
    exec(compile(snippet.replace("http://127.0.0.1:7860/", address), "README.md", "exec"), {})
    assert "After 500 steps of noise" in capsys.readouterr().out


def test_the_api_documents_every_field_with_its_type_and_bounds(client):
    shown = client.view_api(return_format="dict")["named_endpoints"]
    with urllib.request.urlopen(f"{client.src}gradio_api/info") as answer:
        abouts = [path["description"] for path in json.load(answer)["named_endpoints"].values()]
    for path, kind, about in zip(shown.values(), KINDS.values(), abouts, strict=True):
        parameters = {p["parameter_name"]: p for p in path["parameters"]}
        assert list(parameters) == [name for name in kind.fields() if name != "revision"]
        assert all(
            p["parameter_has_default"] and p["python_type"]["type"] in ("str", "int", "float")
            for p in parameters.values()
        )
        assert all(" ".join(kind.fields()[name].help.split()) in about for name in parameters)


def test_the_client_example_runs(address):
    assert "After 500 steps of noise" in run_example("client.py", address, cwd=Path.cwd())


def test_the_page_opens_with_a_finished_result_in_it(address):
    html = urllib.request.urlopen(address).read().decode()
    assert "After 250 steps of noise" in html
    assert "diffdemo" in html


def test_no_event_shows_progress_on_its_outputs(exhibit):
    demo = exhibit.demo
    events = [event for event in demo.config["dependencies"] if event["outputs"]]
    assert events
    assert all(
        event["show_progress_on"] == [] or event["api_visibility"] == "public" for event in events
    )


def test_the_page_with_its_first_outcomes_is_sent_small(address):
    request = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.read()) < 600_000
