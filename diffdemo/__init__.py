"""diffdemo: what noise does in a diffusion model. Public names are loaded when first used."""

from importlib import import_module
from typing import Any

import diffdemo.experiments  # noqa: F401  # registers all kinds of experiments
from diffdemo.lab.experiment import KINDS

_PUBLIC = {
    "DiffdemoError": "errors",
    "collide": "diffusion.posterior",
    "denoise": "diffusion.sampling",
    "denoise_steps": "diffusion.sampling",
    "dpm_encoder": "diffusion.kept_paths",
    "edit_friendly": "diffusion.kept_paths",
    "experiment_from_query": "lab.experiment",
    "invert": "diffusion.inversion",
    "load_model": "models",
    "log_posterior": "diffusion.posterior",
    "noise": "diffusion.noise",
    "posterior": "diffusion.posterior",
    "replay": "diffusion.kept_paths",
    "run": "lab",
    **{kind.__name__: "experiments" for kind in KINDS.values()},
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'diffdemo' has no attribute {name!r}")
    return getattr(import_module(f"diffdemo.{_PUBLIC[name]}"), name)
