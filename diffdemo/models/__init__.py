"""Diffusion models of several kinds as one small Model: `load_model` by name, the table of known ones, and what a run costs."""

from diffdemo.models.costs import duration, estimate_seconds, gmacs, machine_rate, table_lines
from diffdemo.models.loading import KEPT, KEPT_BYTES, WEIGHTS, Loading, default_device, load_model, load_steps
from diffdemo.models.model import Model
from diffdemo.models.table import BUNDLED, TABLE, Entry, find, pin_lines

__all__ = [
    "BUNDLED",
    "KEPT",
    "KEPT_BYTES",
    "TABLE",
    "WEIGHTS",
    "Entry",
    "Loading",
    "Model",
    "default_device",
    "duration",
    "estimate_seconds",
    "find",
    "gmacs",
    "load_model",
    "load_steps",
    "machine_rate",
    "pin_lines",
    "table_lines",
]
