"""What there is to say of a finished run, whatever shows it: the sentence with its numbers, the small print, the plain data."""

from types import ModuleType
from typing import Any

from diffdemo.errors import DiffdemoError
from diffdemo.lab import BeliefResult, BranchResult, CollisionResult, CurveResult, EmbeddingResult, RoundTripResult
from diffdemo.report import belief, branch, collide, curve, embed, round_trip

__all__ = ["as_json", "note", "sentence"]

_ROOMS: dict[type, ModuleType] = {
    RoundTripResult: round_trip,
    CurveResult: curve,
    EmbeddingResult: embed,
    CollisionResult: collide,
    BeliefResult: belief,
    BranchResult: branch,
}


def sentence(result: Any) -> str:
    """The result in one plain sentence with its numbers."""
    return _room(result).sentence(result)


def note(result: Any) -> str:
    """The settings in small print."""
    return _room(result).note(result)


def as_json(result: Any) -> dict[str, Any]:
    """The result as plain data: the sentence, the link's query, the numbers, the pictures as PNG data URIs."""
    return _room(result).as_json(result)


def _room(result: Any) -> ModuleType:
    if type(result) not in _ROOMS:
        raise DiffdemoError(f"A result of an experiment is needed, not {type(result).__name__}.")
    return _ROOMS[type(result)]
