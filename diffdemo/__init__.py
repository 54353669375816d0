"""diffdemo: what noise does in a diffusion model. Everything public, loaded when first used."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_PUBLIC = {
    "Belief": "experiment",
    "Branch": "experiment",
    "Collision": "experiment",
    "Curve": "experiment",
    "DiffdemoError": "errors",
    "Embedding": "experiment",
    "RoundTrip": "experiment",
    "collide": "posterior",
    "denoise": "sampling",
    "denoise_steps": "sampling",
    "dpm_encoder": "inversion",
    "edit_friendly": "inversion",
    "experiment_from_query": "experiment",
    "invert": "inversion",
    "load_model": "models",
    "log_posterior": "posterior",
    "noise": "noise",
    "posterior": "posterior",
    "replay": "inversion",
    "run": "lab",
}

__all__ = [
    "Belief",
    "Branch",
    "Collision",
    "Curve",
    "DiffdemoError",
    "Embedding",
    "RoundTrip",
    "collide",
    "denoise",
    "denoise_steps",
    "dpm_encoder",
    "edit_friendly",
    "experiment_from_query",
    "invert",
    "load_model",
    "log_posterior",
    "noise",
    "posterior",
    "replay",
    "run",
]


class _Package(ModuleType):
    """The package itself; a room may share its name with what it exports (`noise`), and then the export wins."""

    def __getattr__(self, name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'diffdemo' has no attribute {name!r}")
        return getattr(import_module(f"diffdemo.{_PUBLIC[name]}"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
