"""What a page that many visitors share needs around the lab: a limit on each run, results kept for a while, a line in the log, a lent GPU."""

import logging
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from PIL import Image
from torch import Tensor

from diffdemo import lab
from diffdemo.errors import BudgetError, DiffdemoError
from diffdemo.experiment import Belief, Experiment, RoundTrip
from diffdemo.lab import PREVIEW_CALLS, PREVIEW_SEEDS, BeliefResult, Progress
from diffdemo.models import BUNDLED, Model, duration, estimate_seconds

try:  # on a ZeroGPU Space; elsewhere the package is not there, or hands the function back as it is
    from spaces import GPU
except ImportError:

    def GPU(function: Callable) -> Callable:
        """Nothing to borrow: the function itself."""
        return function


log = logging.getLogger("diffdemo")
MAX_BYTES = 200_000_000  # of all results kept
PREVIEW_SECONDS = 1.0  # more than this, as estimated, and a preview is none
BREATH = 0.2  # seconds between looks whether others' runs are over
SLACK = 3  # times the limit that a run may really take: estimates are rough, and others may be waiting for the same cores
_at_hand: "WeakValueDictionary[str, Model]" = WeakValueDictionary()  # what a borrowed process finds by name; networks are not sent to it


@dataclass(frozen=True)
class Price:
    """What a run costs: network calls, each for one picture, and about how many seconds that is on this machine."""

    calls: int
    seconds: float


@dataclass
class Limits:
    """What one run may cost at most, in seconds as they are estimated before; set once, when the page is built."""

    seconds: float = math.inf


limits = Limits()


def price(experiment: Experiment, model: Model) -> Price:
    """What a run will cost.

    Raises:
        DiffdemoError: the model cannot run it.
    """
    model = lab.resolve(experiment, model)
    return _priced(model, lab.network_calls(experiment, model.schedule))


def _priced(model: Model, calls: int) -> Price:
    return Price(calls, estimate_seconds(model, calls, 1))


def _afford(experiment: Experiment, asked: Price) -> Price:
    if asked.seconds > limits.seconds:
        log.info("%s refused, %d calls, about %.0f s", experiment.kind, asked.calls, asked.seconds)
        raise BudgetError(
            f"This run of {asked.calls:,} network calls would take about {duration(asked.seconds)} here, and at most {duration(limits.seconds)} "
            "are given to one. Fewer seeds, steps or levels take less; on your own machine there is no limit."
        )
    return asked


class Results:
    """The latest results, so that a download, a link or a visitor who asks the same again does not compute it again.

    Args:
        limit: bytes of all tensors kept; the least recently used goes first, and what is larger alone is not kept.
    """

    def __init__(self, limit: int = MAX_BYTES):
        self.limit, self._lock = limit, threading.Lock()
        self._kept: OrderedDict[Any, tuple[Any, int]] = OrderedDict()

    def get(self, key: Any) -> Any:
        """The result kept under a key, or None."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key, (None, 0))[0]

    def put(self, key: Any, result: Any) -> None:
        """Keep a result."""
        size = weight(result)
        if size > self.limit:
            return
        with self._lock:
            self._kept[key] = (result, size)
            self._kept.move_to_end(key)
            while sum(size for _, size in self._kept.values()) > self.limit:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)


def weight(value: Any) -> int:
    """Bytes of all tensors in a result."""
    if isinstance(value, Tensor):
        return value.element_size() * value.nelement()
    if is_dataclass(value) and not isinstance(value, type):
        return sum(weight(getattr(value, item.name)) for item in fields(value))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return sum(weight(part) for part in parts)


results = Results()
_under_way: set[object] = set()  # runs that have begun and not ended


def _key(experiment: Experiment, model: Model) -> tuple:
    return replace(experiment, revision=model.revision), model.device, model.dtype


def known(experiment: Experiment, kept: Results = results) -> Any:
    """The result of an experiment with a bundled model, if it is still kept; None otherwise, also where it cannot be run."""
    if experiment.model not in BUNDLED:
        return None
    try:
        return kept.get(_key(experiment, lab.resolve(experiment, None)))
    except DiffdemoError:
        return None


def stream(experiment: Experiment, model: Model | None = None, given: Image.Image | None = None, kept: Results = results) -> Iterator[Any]:
    """`lab.stream` for many: a result that is still kept is yielded at once.

    Args:
        experiment: what to run.
        model: as in `lab.stream`.
        given: as in `lab.stream`; whoever names a picture by its hash must have it, kept result or not.
        kept: where results are kept.

    Raises:
        DiffdemoError: as in `lab.stream`.
    """
    model = lab.resolve(experiment, model)
    lab.original(experiment.picture, model, given)
    key = _key(experiment, model)
    if (found := kept.get(key)) is not None:
        yield found
        return
    asked = _afford(experiment, price(experiment, model))
    _at_hand[model.name] = model
    for item in _logged(experiment, asked, _in_time(_work(experiment, given))):
        if not isinstance(item, Progress):
            kept.put(key, item)
        yield item


def ahead(wanted: Iterable[tuple[Experiment, Model]], kept: Results = results) -> None:
    """Compute results before anybody asks for them, in the pauses between the runs of others; what cannot be run is left out.

    Args:
        wanted: experiments and their models.
        kept: where results are kept.
    """
    for experiment, model in wanted:
        try:
            key = _key(experiment, lab.resolve(experiment, model))
            for item in stream(experiment, model, kept=kept):
                while len(_under_way) > 1:  # this one, and somebody's
                    time.sleep(BREATH)
                if isinstance(item, Progress) and kept.get(key) is not None:  # that one was the same
                    break
        except DiffdemoError as error:
            log.info("%s not computed ahead: %s", experiment.kind, error)


def run(experiment: Experiment, model: Model, given: Image.Image | None = None) -> Any:
    """The result that `stream` ends with; arguments and errors as there."""
    (result,) = deque(stream(experiment, model, given), maxlen=1)
    return result


def preview(experiment: RoundTrip, model: Model, given: Image.Image | None = None, kept: Results = results) -> Progress | None:
    """`lab.preview` where it is worth its time: the result is not kept, far from done by then, and the model quick; not on a lent GPU.

    Raises:
        DiffdemoError: as in `lab.stream`.
    """
    model, calls = lab.resolve(experiment, model), min(experiment.n, experiment.steps)
    quick = model.device.type == "cpu" and _priced(model, PREVIEW_CALLS * min(PREVIEW_SEEDS, len(experiment.seeds))).seconds < PREVIEW_SECONDS
    if not quick or calls < 3 * PREVIEW_CALLS or kept.get(_key(experiment, model)) is not None or price(experiment, model).seconds > limits.seconds:
        return None
    return lab.preview(experiment, model, given)


def _in_time(items: Iterator[Any]) -> Iterator[Any]:
    """The same items, unless they take far longer than a run may."""
    began = time.monotonic()
    for item in items:
        yield item
        if (passed := time.monotonic() - began) > SLACK * limits.seconds and isinstance(item, Progress):
            raise BudgetError(
                f"This run was ended at step {item.done} of {item.total}: it took {duration(passed)}, and at most about {duration(limits.seconds)} "
                "are given to one here. Fewer seeds, steps or levels take less."
            )


def _logged(experiment: Experiment, asked: Price, items: Iterator[Any]) -> Iterator[Any]:
    """The same items; one line in the log when they end, however they do."""
    began, outcome, run = time.monotonic(), "stopped", object()
    _under_way.add(run)
    try:
        yield from items
        outcome = "done"
    except Exception:
        outcome = "failed"
        raise
    finally:
        _under_way.discard(run)
        log.info("%s %s, model %s, %d calls, %.1f s", experiment.kind, outcome, experiment.model, asked.calls, time.monotonic() - began)


def beliefs(experiment: Belief, model: Model, given: Image.Image | None, levels: Sequence[int], kept: Results = results) -> list[BeliefResult]:
    """`lab.beliefs` at several levels of n, on the GPU where one is lent; levels that are still kept are not computed again.

    Raises:
        DiffdemoError: as in `lab.beliefs`.
    """
    model = lab.resolve(experiment, model)
    lab.original(experiment.picture, model, given)
    keys = {n: _key(replace(experiment, n=n), model) for n in levels}
    found = {n: kept.get(key) for n, key in keys.items()}
    if missing := tuple(n for n in keys if found[n] is None):
        asked = _afford(experiment, _priced(model, sum(n > 0 for n in missing)))
        _at_hand[model.name] = model
        (new,) = _logged(experiment, asked, _beliefs(experiment, given, missing))
        found |= zip(missing, new, strict=True)
        for n in missing:
            kept.put(keys[n], found[n])
    return [found[n] for n in levels]


@GPU
def _work(experiment: Experiment, given: Image.Image | None) -> Iterator[Any]:
    yield from lab.stream(experiment, _at_hand[experiment.model], given)


@GPU
def _beliefs(experiment: Belief, given: Image.Image | None, levels: tuple[int, ...]) -> Iterator[list[BeliefResult]]:
    model = lab.resolve(experiment, _at_hand[experiment.model])
    yield lab.beliefs(experiment, model, lab.picture(experiment.picture, model, given), levels)
