"""What an address of the page asks for; the page and the previews of links agree on it."""

from collections.abc import Mapping
from urllib.parse import urlencode

from diffdemo.errors import ExperimentError
from diffdemo.experiments import RoundTrip
from diffdemo.lab.experiment import VERSION, Experiment, experiment_from_query
from diffdemo.widgets.controls import BEST, TRIES
from diffdemo.widgets.picking import EXAMPLES

OPENING = RoundTrip(
    seeds=TRIES, **BEST
)  # what the page opens with if it is started with no other model


def linked_experiment(
    parameters: Mapping[str, str], opening: RoundTrip = OPENING
) -> Experiment | None:
    """Return the experiment that an address asks for; None where it asks for none.

    An address with a field of a round trip and no version, as ?n=1000, asks for what the page opens
    with, but for that field.

    Args:
        parameters: of the address, as the browser sent them.
        opening: what the page opens with.

    Raises:
        ExperimentError: the address is damaged.
    """
    asked = dict(parameters)
    if "v" not in asked and "kind" not in asked:
        typed = {name: text for name, text in asked.items() if name in RoundTrip.fields()}
        if not typed:
            return None
        asked = _completed(typed, opening)
    try:
        query = urlencode(asked)
    except UnicodeError as error:
        damaged = "This link is damaged: it holds letters that are none."
        raise ExperimentError(damaged) from error
    return experiment_from_query(query)


def _completed(typed: dict[str, str], opening: RoundTrip) -> dict[str, str]:
    """Return all fields of a round trip: those that were typed, else as the page opens."""
    fields = RoundTrip.fields()
    values = {name: fields[name].write(getattr(opening, name)) for name in fields}
    model = typed.get("model", opening.model)
    if model != opening.model:
        values["picture"] = EXAMPLES.get(model, EXAMPLES["faces"])[0]
    if "eta" in typed and "solver" not in typed:  # the one solver that draws fresh noise
        values |= {name: fields[name].write(fields[name].default) for name in ("solver", "steps")}
    found = {"v": VERSION, **values, "revision": "", **typed}
    return {name: text for name, text in found.items() if text or name in typed}
