"""What survived of a picture: each attribute as it was and as it came back, seed by seed."""

from typing import Any

from diffdemo.experiments.round_trip.run import RoundTripResult
from diffdemo.pictures.line_ups import line_up
from diffdemo.pictures.looks import Look, digit_look, face_look

Row = dict[str, Any]


def survived(r: RoundTripResult, row: int) -> list[Row]:
    """Compare what a seed led back to with the picture, attribute by attribute.

    Returns:
        for each visible attribute its `name`; the picture's value `yours` and what came back,
        `got`, in words; whether it was `kept`; and how both look, `yours_look` and `got_look`
        (see `pictures.looks`). Empty where nothing can be read.
    """
    if r.original is None or r.values is None:
        return []
    rows = []
    for place in r.original.visible.nonzero().flatten().tolist():
        yours = int(r.original.values[place])
        got = int(r.values[row, place])
        rows.append(
            {
                "name": names(r)[place],
                "yours": _word(r, place, yours),
                "got": _word(r, place, got),
                "kept": yours == got,
                "yours_look": _look(r, place, yours),
                "got_look": _look(r, place, got),
            }
        )
    return rows


def columns(r: RoundTripResult, row: int) -> Row:
    """Return the attributes of a seed as columns of a table.

    Returns:
        for each attribute, such as `hair_colour`, the value that came back, in words, and
        `original_hair_colour`, that of the picture, or None where it does not show there. Where
        both are equal, the attribute was kept. Empty where nothing can be read.
    """
    if r.original is None or r.values is None:
        return {}
    found: Row = {}
    for place, name in enumerate(names(r)):
        key = name.replace(" ", "_")
        yours = _word(r, place, int(r.original.values[place]))
        found[key] = _word(r, place, int(r.values[row, place]))
        found[f"original_{key}"] = yours if r.original.visible[place] else None
    return found


def features(r: RoundTripResult) -> Row | None:
    """Return attribute → `yours` (None where it does not show), and `got` by seed, in words.

    None where nothing can be read.
    """
    if r.original is None:
        return None
    rows = [columns(r, row) for row in range(len(r.kept if r.kept is not None else ()))]
    found: Row = {}
    for name in names(r):
        key = name.replace(" ", "_")
        yours = rows[0][f"original_{key}"]
        found[key] = {"yours": yours, "got": [row[key] for row in rows]}
    return found


def names(r: RoundTripResult) -> tuple[str, ...]:
    """Return the names of the attributes: the 14 of a face, or "digit"."""
    assert r.line_up is not None
    return ("digit",) if r.line_up == "digits" else line_up(r.line_up).attributes


def _word(r: RoundTripResult, place: int, value: int) -> str:
    assert r.line_up is not None
    return line_up(r.line_up).value_name(place, value)


def _look(r: RoundTripResult, place: int, value: int) -> Look:
    if r.line_up == "digits":
        return digit_look(value)
    assert r.original is not None
    return face_look(tuple(r.original.values.tolist()), names(r)[place], value)
