"""Diffusion models of several kinds as one small Model: by name, with what a run costs."""

from diffdemo.models.costs import duration, estimate_seconds, gmacs
from diffdemo.models.loading import WEIGHTS, Loading, default_device, load_model, load_steps
from diffdemo.models.model import Model
from diffdemo.models.table import BUNDLED, TABLE, TableEntry, find

__all__ = [
    "BUNDLED",
    "TABLE",
    "WEIGHTS",
    "Loading",
    "Model",
    "TableEntry",
    "default_device",
    "duration",
    "estimate_seconds",
    "find",
    "gmacs",
    "load_model",
    "load_steps",
]
