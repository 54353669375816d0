import pytest

from diffdemo import lab
from diffdemo.experiment import Belief, Branch, Collision, Curve, Embedding, RoundTrip
from diffdemo.lab import network_calls


def seen(e, model, monkeypatch):
    """Pictures that the network is asked about while an experiment runs, the judge's own samples left out."""
    count = []
    network = model.network

    class Counting:
        def __call__(self, x, *rest, **options):
            count.append(len(x))
            return network(x, *rest, **options)

    object.__setattr__(model, "network", Counting())
    try:
        lab.run(e, model)
    finally:
        object.__setattr__(model, "network", network)
    return sum(count)


@pytest.mark.parametrize(
    "e",
    [RoundTrip(seeds=(0, 1, 2), steps=4), RoundTrip(n=3, seeds=(5,)), RoundTrip(n=0), Curve(levels=(0, 2, 900), seeds=(0, 1), steps=3),
     Collision(steps=3), Collision(steps=3, eta=0), Collision(n=2), Belief(), Belief(n=0), Branch(points=3, futures=2, steps=6),
     Branch(points=4, futures=3, steps=8, jump=2), Embedding(n=300, seeds=(0, 1), steps=4, methods=("random", "edit-friendly"), other="face:4"),
     Embedding(n=300, seeds=(0, 1), steps=4, methods=("ddim",), other="face:4")],
)  # fmt: skip
def test_the_cost_is_what_the_network_is_asked(e, faces_model, monkeypatch):
    assert network_calls(e, faces_model.schedule) == seen(e, faces_model, monkeypatch)


def test_fixed_points_cost_about_what_is_said(faces_model, monkeypatch):
    e = Embedding(n=40, seeds=(0, 1), steps=4)
    assert 0.4 < network_calls(e, faces_model.schedule) / seen(e, faces_model, monkeypatch) < 2
