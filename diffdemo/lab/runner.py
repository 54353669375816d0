"""Run experiments for many visitors: a limit on each run, a cache, a log line, a lent GPU."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from weakref import WeakValueDictionary

from PIL import Image

from diffdemo.errors import BudgetError, DiffdemoError
from diffdemo.lab.cache import Cache
from diffdemo.lab.experiment import Experiment, Result
from diffdemo.lab.prepare import Ready, prepare
from diffdemo.lab.progress import Progress
from diffdemo.models import BUNDLED, Model, duration, estimate_seconds

try:  # the package of a ZeroGPU Space
    from spaces import GPU

    LENT_GPU: Callable | None = GPU
except ImportError:
    LENT_GPU = None

log = logging.getLogger("diffdemo")
PREVIEW_SECONDS = 1.0  # a preview that would take longer, as estimated, is left out
POLL_SECONDS = 0.2  # between two looks whether the runs of visitors are over
OVERRUN = 3  # times its limit that a run may take: estimates are rough, and runs share the cores
_by_name: "WeakValueDictionary[str, Model]" = WeakValueDictionary()  # for processes with a GPU


@dataclass(frozen=True)
class Price:
    """What a run costs: network calls for one picture each, and about how many seconds."""

    calls: int
    seconds: float


class Runner:
    """Runs experiments within a limit, and holds their results for a while.

    Args:
        limit: seconds, as estimated before, that one run may take.
        cache: holds the results.
    """

    def __init__(self, limit: float = math.inf, cache: Cache | None = None):
        self.limit = limit
        self.cache = Cache() if cache is None else cache
        self._running: set[object] = set()

    def price(self, ready: Ready) -> Price:
        """Estimate what a run costs."""
        return self._price_of(ready.model, ready.calls())

    @staticmethod
    def _price_of(model: Model, calls: int) -> Price:
        return Price(calls, estimate_seconds(model, calls, 1))

    def stream(self, ready: Ready) -> Iterator[Progress | Result]:
        """Yield Progress after each network call, and last the result; a cached one at once.

        Raises:
            DiffdemoError: the run costs more than the limit, or fails.
        """
        found = self.cache.get(ready.key)
        if found is not None:
            yield found
            return
        price = self._affordable(ready)
        for item in self._logged(ready, price, self._in_time(_items(ready))):
            if not isinstance(item, Progress):
                self.cache.put(ready.key, item)
            yield item

    def run(self, ready: Ready) -> Result:
        """Return the result that `stream` ends with; errors as there."""
        (result,) = deque(self.stream(ready), maxlen=1)
        assert not isinstance(result, Progress)
        return result

    def cached(self, experiment: Experiment) -> Result | None:
        """Return the result of an experiment with a bundled model if it is held, else None."""
        if experiment.model not in BUNDLED or experiment.picture.startswith("sha256:"):
            return None
        try:
            return self.cache.get(prepare(experiment).key)
        except DiffdemoError:
            return None

    def previews(self, ready: Ready, calls: int) -> bool:
        """Whether a preview of so many network calls is worth its time.

        It is not where the result is held, the run is refused, the GPU is lent, or the model slow.
        """
        if ready.model.device.type != "cpu" or self.cache.get(ready.key) is not None:
            return False
        quick = self._price_of(ready.model, calls).seconds < PREVIEW_SECONDS
        return quick and self.price(ready).seconds <= self.limit

    def precompute(self, wanted: Iterable[tuple[Experiment, Model]]) -> None:
        """Compute results before anybody asks, in the pauses between the runs of visitors.

        What cannot be run is left out.
        """
        for experiment, model in wanted:
            try:
                self._precompute(prepare(experiment, model))
            except DiffdemoError as error:
                log.info("%s not precomputed: %s", experiment.kind, error)

    def _precompute(self, ready: Ready) -> None:
        for item in self.stream(ready):
            while len(self._running) > 1:  # this run, and a visitor's
                time.sleep(POLL_SECONDS)
            if isinstance(item, Progress) and self.cache.get(ready.key) is not None:
                return  # the visitor's run was the same

    def _affordable(self, ready: Ready) -> Price:
        """Return the price of a run that is within the limit."""
        price = self.price(ready)
        if price.seconds > self.limit:
            kind = ready.experiment.kind
            log.info("%s refused, %d calls, about %.0f s", kind, price.calls, price.seconds)
            raise BudgetError(
                f"This run of {price.calls:,} network calls would take about "
                f"{duration(price.seconds)} here, and at most {duration(self.limit)} are given to "
                "one. Fewer seeds, steps or levels take less; "
                "on your own machine there is no limit."
            )
        return price

    def _in_time(self, items: Iterator[Progress | Result]) -> Iterator[Progress | Result]:
        """Yield the same items, unless they take far longer than the limit."""
        began = time.monotonic()
        for item in items:
            yield item
            passed = time.monotonic() - began
            if passed > OVERRUN * self.limit and isinstance(item, Progress):
                raise BudgetError(
                    f"This run was ended at step {item.done} of {item.total}: it took "
                    f"{duration(passed)}, and at most about {duration(self.limit)} are given to "
                    "one here. Fewer seeds, steps or levels take less."
                )

    def _logged(
        self, ready: Ready, price: Price, items: Iterator[Progress | Result]
    ) -> Iterator[Progress | Result]:
        """Yield the same items, and log one line when they end, however they do."""
        began = time.monotonic()
        outcome = "stopped"
        run = object()
        self._running.add(run)
        try:
            yield from items
            outcome = "done"
        except Exception:
            outcome = "failed"
            raise
        finally:
            self._running.discard(run)
            e = ready.experiment
            seconds = time.monotonic() - began
            text = "%s %s, model %s, %d calls, %.1f s"
            log.info(text, e.kind, outcome, e.model, price.calls, seconds)


def _items(ready: Ready) -> Iterator[Progress | Result]:
    """Run on the model's device, or on a GPU that is lent for the run."""
    if LENT_GPU is None:
        return ready.run()
    _by_name[ready.model.name] = ready.model
    return _on_lent_gpu(ready.experiment, ready.given)


def _run_by_name(experiment: Experiment, given: Image.Image | None) -> Iterator[Progress | Result]:
    """Run in a process with a GPU; it finds the model by name, for networks are not sent there."""
    yield from prepare(experiment, _by_name[experiment.model], given).run()


_on_lent_gpu = LENT_GPU(_run_by_name) if LENT_GPU else _run_by_name
