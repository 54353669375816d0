"""The headline of a RoundTrip: who came back, what they kept, and what chance alone keeps."""

from diffdemo.experiments.round_trip.run import RoundTripResult
from diffdemo.pictures.line_ups import line_up
from diffdemo.report.words import YOURS, class_words, counted

ANOTHER = {"faces": "someone else", "digits": "another drawing"}
KNOWN = {"faces": "pixel faces", "digits": "handwritten digits"}
FACE = 14  # attributes of a face


def own_words(r: RoundTripResult) -> str:
    """Return what to call the picture to its owner: "your face", "your 7" or "your picture"."""
    if r.foreign or r.line_up is None:
        return YOURS
    if r.line_up == "faces":
        return "your face"
    return YOURS if r.original is None else f"your {int(r.original.values[0])}"


def another(r: RoundTripResult) -> str:
    """Return what to call a picture that is not the original."""
    return "another picture" if r.foreign else ANOTHER.get(r.line_up or "", "another picture")


def headline(r: RoundTripResult, own: str) -> str:
    """Say it all in plain sentences.

    Args:
        r: the result.
        own: what to call the picture.
    """
    if r.experiment.n == 0:
        if r.experiment.start == "noise":
            return "At n = 0 nothing is denoised, so every try is still pure noise."
        untouched = "No noise was added, so the picture is untouched"
        return f"{untouched}: every try gives back the very same pixels."
    parts = [_outcome(r, own), _kept(r, own)]
    if r.foreign and r.line_up:
        parts.append(f"This model knows only {KNOWN[r.line_up]}.")
    return " ".join(parts)


def short(r: RoundTripResult) -> str:
    """Say who comes back in a few words, as "your face comes back, 8 of 8"."""
    tries = len(r.came_back)
    back = int(r.came_back.sum())
    if back == 0:
        return f"{another(r)} does, {tries} of {tries}"
    if back == tries:
        return f"{own_words(r)} comes back, {back} of {tries}"
    return f"{own_words(r)} comes back {back} of {tries} times"


def stranger(r: RoundTripResult) -> str:
    """Return how many of the visible attributes an unrelated picture shares, as "4.5"."""
    return f"{(r.chance or 0) * r.attributes:.1f}"


def feature_words(r: RoundTripResult) -> str:
    """Return "14 features", or "13 visible features" where one does not show."""
    return f"{r.attributes} {'features' if r.attributes == FACE else 'visible features'}"


def _outcome(r: RoundTripResult, own: str) -> str:
    """Say how many tries came back."""
    e = r.experiment
    tries = len(e.seeds)
    back = int(r.came_back.sum())
    start = f"After {counted(e.n, 'step')} of noise"
    came_back = "came back as"
    if e.start == "noise":
        start = "From pure noise"
        came_back = "became"
    if tries == 1:
        found = f"{came_back} {own}" if back else f"became {another(r)}"
        return f"{start}, the try with seed {e.seeds[0]} {found}."
    text = f"{start}, {_share(back, tries)} {came_back} {own}"
    if back == 0:
        someone = another(r) == "someone else"
        each = "someone else did each time" if someone else f"each became {another(r)}"
        return f"{text}: {each}."
    if back < tries:
        rest = "the other one" if tries - back == 1 else f"the other {tries - back}"
        return f"{text}; {rest} became {another(r)}."
    return f"{text}."


def _share(part: int, tries: int) -> str:
    """Write how many of two tries or more."""
    if tries == 2:
        return {0: "neither of 2 tries", 1: "1 of 2 tries", 2: "both tries"}[part]
    if part == tries:
        return f"all {tries} tries"
    return f"{part or 'none'} of {tries} tries"


def _kept(r: RoundTripResult, own: str) -> str:
    """Say what the tries kept of the picture, beside what chance keeps."""
    if r.kept is None:
        return _distance(r, own)
    return _digit(r) if r.line_up == "digits" else _features(r, own)


def _distance(r: RoundTripResult, own: str) -> str:
    """Compare pixel by pixel."""
    share = f"{100 * float(r.rmse.mean()) / r.unrelated:.0f} % as much as an unrelated picture does"
    if len(r.rmse) == 1:
        return f"Pixel by pixel it differs from {own} {share}."
    return f"Pixel by pixel they differ from it {share}."


def _features(r: RoundTripResult, own: str) -> str:
    """Count the features of a face."""
    assert r.kept is not None
    single = len(r.kept) == 1
    count = float(r.kept.mean()) * r.attributes
    number = f"{count:.0f}" if single else f"{count:.1f}"
    if r.kept.min() == 1:
        number = "all"
    back = int(r.came_back.sum())
    chance = f"a stranger shares {stranger(r)}"
    if r.experiment.start == "noise" or back == 0:
        shares, whom = ("It shares", own) if single else ("They share", "it")
        return f"{shares} {number} of {feature_words(r)} with {whom}; {chance}."
    who = "It" if single else "They"
    if not single and back < len(r.kept):
        who = "On average the tries"
    return f"{who} kept {number} of its {feature_words(r)}; {chance}."


def _digit(r: RoundTripResult) -> str:
    """Count those that show the same digit."""
    assert r.kept is not None
    assert r.original is not None
    assert r.values is not None
    tries = len(r.kept)
    same = int(r.kept.sum())
    shown = class_words(int(r.original.values[0]))
    still = "" if r.experiment.start == "noise" else " still"
    chance = f"{100 * (r.chance or 0):.0f} % of all digits are {int(r.original.values[0])}s"
    if tries == 1:
        got = class_words(int(r.values[0, 0]))
        found = f"{still} shows {shown}" if same else f" shows {got}, not {shown}"
        return f"It{found}; {chance}."
    if same == tries:
        return f"{'Both' if tries == 2 else 'All'}{still} show {shown}; {chance}."
    if same <= 1:
        return f"{'One' if same else 'None'} of them{still} shows {shown}; {chance}."
    return f"{same} of them{still} show {shown}; {chance}."


def size(r: RoundTripResult) -> int:
    """Return the number of pictures in the line-up that judges what came back; 0 without one."""
    return 0 if r.foreign or r.line_up is None else len(line_up(r.line_up))
