"""The experiments, one package each, in the order of the page. An import registers each."""

# ruff: noqa: I001  # the order of the page, not of the alphabet
from diffdemo.experiments.round_trip import RoundTrip as RoundTrip
from diffdemo.experiments.curve import Curve as Curve
from diffdemo.experiments.belief import Belief as Belief
from diffdemo.experiments.branch import Branch as Branch
from diffdemo.experiments.collision import Collision as Collision
from diffdemo.experiments.embedding import Embedding as Embedding
