"""The saved state of a training run, from which a later start of it goes on."""

import os
from pathlib import Path
from pickle import UnpicklingError
from typing import TypedDict

import torch
from torch import Tensor

from diffdemo.errors import DiffdemoError


class Origin(TypedDict):
    """What a training run began with."""

    recipe: str
    seed: int
    start: str


class State(TypedDict):
    """All that a training run needs to go on."""

    origin: Origin
    network: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizers: list[dict[str, object]]
    step: int
    seconds: float
    loss: float


def default_path(name: str) -> Path:
    """Return where the state of a training is by default, outside the repository.

    References:
        XDG Base Directory Specification (a relative $XDG_STATE_HOME is ignored).
    """
    folder = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not folder.is_absolute():
        folder = Path.home() / ".local" / "state"
    return folder / "diffdemo" / "training" / f"{name}.pt"


def write(state: State, path: Path) -> None:
    """Write a state beside the old one and then over it, so that a kill loses nothing."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read(path: Path, origin: Origin, device: torch.device) -> State:
    """Read the state of a training that began with the same recipe, seed and start.

    Raises:
        DiffdemoError: the file holds no such state.
    """
    try:
        state: State = torch.load(path, map_location=device, weights_only=True)
        found = state["origin"]
    except (OSError, EOFError, RuntimeError, UnpicklingError, KeyError, TypeError) as error:
        raise DiffdemoError(
            f"No training can go on from the file {path}: give another --state, or remove it."
        ) from error
    if found != origin:
        differing = {name for name, _ in found.items() ^ origin.items()}
        raise DiffdemoError(
            f"The training in {path} was begun with another {' and '.join(sorted(differing))}: "
            "give the same again to go on with it, or another --state to begin a new one."
        )
    return state
