from dataclasses import replace

import pytest
from doubles import Counting

from diffdemo import lab
from diffdemo.experiments import Belief, Branch, Collision, Curve, Embedding, RoundTrip

BOTH = {"n": 300, "seeds": (0, 1), "steps": 4, "other": "face:4"}


def counted(e, model) -> int:
    """Run an experiment and count the pictures that the network works on."""
    network = Counting(model.network)
    lab.run(e, replace(model, network=network))
    return sum(network.rows)


@pytest.mark.parametrize(
    "e",
    [
        RoundTrip(seeds=(0, 1, 2), steps=4),
        RoundTrip(n=3, seeds=(5,)),
        RoundTrip(n=0),
        Curve(levels=(0, 2, 900), seeds=(0, 1), steps=3),
        Collision(steps=3),
        Collision(steps=3, eta=0),
        Collision(n=2),
        Belief(),
        Belief(n=0),
        Branch(points=3, futures=2, steps=6),
        Branch(points=4, futures=3, steps=8, jump=2),
        Embedding(methods=("random", "edit-friendly"), **BOTH),
        Embedding(methods=("ddim",), **BOTH),
    ],
    ids=lambda e: e.to_query()[9:],
)
def test_the_calls_of_an_experiment_are_those_that_its_run_makes(e, faces_model):
    assert e.calls(faces_model.schedule) == counted(e, faces_model)


def test_the_calls_of_fixed_points_are_counted_nearly(faces_model):
    e = Embedding(n=40, seeds=(0, 1), steps=4)
    assert 0.4 < e.calls(faces_model.schedule) / counted(e, faces_model) < 2
