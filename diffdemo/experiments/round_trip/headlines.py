"""Short words for what a round trip found, for a headline that names two levels."""

from diffdemo.experiments.round_trip.run import RoundTripResult

OWN = {"faces": ("your face", "someone else"), "digits": ("your digit", "another digit")}
ANY = ("your picture", "another picture")


def short(result: RoundTripResult) -> str:
    """Say what comes back, as "your face comes back, 8 of 8"."""
    own, other = OWN.get(result.experiment.model, ANY)
    back = int(result.came_back.sum())
    tries = len(result.came_back)
    if back == tries:
        return f"{own} comes back, {back} of {tries}"
    if back == 0:
        return f"{other} does, {tries} of {tries}"
    return f"{own} comes back {back} of {tries} times"
