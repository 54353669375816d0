"""Load models by name, one load at a time for each, observable while it runs; the last few are kept in memory."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from diffdemo.errors import ModelError
from diffdemo.models import hub
from diffdemo.models.model import Model
from diffdemo.models.pipelines import Source, Tell, read
from diffdemo.models.table import BUNDLED, find

WEIGHTS = Path(__file__).parent.parent / "weights"
KEPT = 3  # models held in memory at most ...
KEPT_BYTES = 6 * 2**30  # ... and bytes of their parameters, but always the newest
POLL = 0.1  # seconds between two looks at a load under way
_DTYPES = ("float32", "float64", "bfloat16", "float16")
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_cache: "OrderedDict[tuple, Model]" = OrderedDict()
_jobs: "dict[tuple, _Job]" = {}
_lock = threading.Lock()  # of the two above; never held while a model is read


@dataclass(frozen=True)
class Loading:
    """Where a load stands: what is being done, and bytes done of all; total is 0 where it is not known."""

    what: str
    done: int
    total: int


@dataclass(eq=False)
class _Job:
    """A load under way; whoever asks for the same model meanwhile watches it too."""

    state: Loading = Loading("waiting", 0, 0)
    found: "Future[Model]" = field(default_factory=Future)

    def tell(self, what: str, done: int, total: int) -> None:
        self.state = Loading(what, done, total)

    def run(self, key: tuple, load: Callable[[Tell], Model]) -> None:
        try:
            model = load(self.tell)
        except Exception as error:
            with _lock:
                _jobs.pop(key, None)
            self.found.set_exception(error)  # raised again where the model is waited for
            return
        with _lock:
            _jobs.pop(key, None)
            _keep(key, model)
        self.found.set_result(model)


def default_device() -> torch.device:
    """CUDA if there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load_model(name: str, device: str | None = None, dtype: str = "float32") -> Model:
    """Load a model, or take it from the cache of the last few.

    Args:
        name: a bundled name, the path of a local diffusers folder, or a Hub id such as google/ddpm-cat-256, which is downloaded.
        device: a torch device name; None chooses CUDA, MPS or CPU.
        dtype: "float32" (the default; what a link replays), "float64", "bfloat16" or "float16".

    Raises:
        ModelError: unknown name, device or dtype; no network; folder without model_index.json; weights missing; unsupported pipeline.
    """
    return next(found for found in load_steps(name, device, dtype) if isinstance(found, Model))


def load_steps(name: str, device: str | None = None, dtype: str = "float32") -> Iterator[Loading | Model]:
    """The same, observable: yields `Loading` while it runs and last the Model; at once where it is in memory.

    A load goes on when its generator is dropped, and its model is kept for whoever asks next. Arguments and errors as in `load_model`.
    """
    if dtype not in _DTYPES:
        raise ModelError(f"The dtype is one of {', '.join(_DTYPES)}, not {dtype!r}.")
    where, torch_dtype = _device(device), getattr(torch, dtype)
    source = _local(name)
    load = partial(_load, name, source, where, torch_dtype)
    return _watch((str(source.folder.resolve()) if source else f"hub:{name}", str(where), dtype), load)


def _begun(key: tuple, load: Callable[[Tell], Model]) -> Model | _Job:
    """The model where it is in memory; else the load of it, begun now if nobody has asked before."""
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
        if key not in _jobs:
            _jobs[key] = _Job()
            threading.Thread(target=_jobs[key].run, args=(key, load), daemon=True).start()
        return _jobs[key]


def _watch(key: tuple, load: Callable[[Tell], Model]) -> Iterator[Loading | Model]:
    job = _begun(key, load)
    if isinstance(job, Model):
        yield job
        return
    shown, over = None, False
    while not over:
        over = bool(wait([job.found], POLL).done)
        if job.state != shown and not (over and job.found.exception()):
            yield (shown := job.state)
    yield job.found.result()


def _keep(key: tuple, model: Model) -> None:
    """Put a model into the cache; the least recently used ones go."""
    _cache[key] = model
    while len(_cache) > KEPT or (len(_cache) > 1 and sum(kept.size for kept in _cache.values()) > KEPT_BYTES):
        _cache.popitem(last=False)


def _load(name: str, source: Source | None, device: torch.device, dtype: torch.dtype, tell: Tell) -> Model:
    if source is None:
        entry = find(name)
        revision, megabytes = (entry.revision, entry.megabytes) if entry else ("main", None)
        source = Source(name, hub.download(name, revision, tell, megabytes))
    return read(source, device, dtype, tell)


def _device(name: str | None) -> torch.device:
    if name is None:
        return default_device()
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"There is no device {name!r} on this machine; try cpu.") from error
    return device


def _local(name: str) -> Source | None:
    """What a name means on this machine; None is a model of the Hub. What the table names is never a folder, so that no link reads one."""
    if name in BUNDLED:
        return Source(name, WEIGHTS / name, line_up=name)
    if find(name):
        return None
    folder = Path(name)
    if folder.is_dir():
        return Source(folder.resolve().name, folder)
    if not _HUB_ID.fullmatch(name):
        raise ModelError(
            f"There is no model {name!r}: the bundled ones are {', '.join(BUNDLED)}, anything else is a diffusers folder "
            "or a model of the Hugging Face Hub, written owner/name."
        )
    return None
