"""Load models by name. Threads that want the same model share one load, and can watch it."""

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
from diffdemo.models.folder import Folder, OnProgress
from diffdemo.models.model import Model
from diffdemo.models.pipelines import read
from diffdemo.models.table import BUNDLED, find

Key = tuple[str, str, str]  # folder or Hub id, device, dtype

WEIGHTS = Path(__file__).parent.parent / "weights"
CACHED_MODELS = 3  # models held in memory at most ...
CACHED_BYTES = 6 * 2**30  # ... and bytes of their parameters; the newest is always held
POLL = 0.1  # seconds between two looks at a load
_DTYPES = ("float32", "float64", "bfloat16", "float16")
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_cache: OrderedDict[Key, Model] = OrderedDict()
_jobs: "dict[Key, _Job]" = {}
_lock = threading.Lock()  # for the two above; never held while a model is read


@dataclass(frozen=True)
class Loading:
    """How far a load is."""

    what: str  # what is being done
    done: int  # bytes
    total: int  # bytes; 0 if not known


@dataclass(eq=False)
class _Job:
    """A load in progress, and later its model."""

    key: Key
    load: Callable[[OnProgress], Model]
    state: Loading = Loading("waiting", 0, 0)
    model: "Future[Model]" = field(default_factory=Future)

    def on_progress(self, what: str, done: int, total: int) -> None:
        self.state = Loading(what, done, total)

    def run(self) -> None:
        try:
            model = self.load(self.on_progress)
        except Exception as error:
            with _lock:
                _jobs.pop(self.key, None)
            self.model.set_exception(error)  # raised again in the threads that wait for the model
            return
        with _lock:
            _jobs.pop(self.key, None)
            _store(self.key, model)
        self.model.set_result(model)


def default_device() -> torch.device:
    """Return CUDA if there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load_model(name: str, device: str | None = None, dtype: str = "float32") -> Model:
    """Load a model, or take it from the cache.

    Args:
        name: a bundled name, the path of a local diffusers folder, or a Hub id such as
            google/ddpm-cat-256, which is downloaded.
        device: a torch device name; None chooses CUDA, MPS or CPU.
        dtype: "float32" (which links replay), "float64", "bfloat16" or "float16".

    Raises:
        ModelError: the name, device or dtype is unknown, the Hub cannot be reached, or the folder
            is no pipeline that is supported, or not complete.
    """
    return next(item for item in load_steps(name, device, dtype) if isinstance(item, Model))


def load_steps(
    name: str, device: str | None = None, dtype: str = "float32"
) -> Iterator[Loading | Model]:
    """Load a model; yields `Loading` meanwhile, and last the Model.

    The load goes on when the generator is closed. Arguments and errors as in `load_model`.
    """
    if dtype not in _DTYPES:
        raise ModelError(f"The dtype is one of {', '.join(_DTYPES)}, not {dtype!r}.")
    where = _device(device)
    folder = _local_folder(name)
    place = str(folder.path.resolve()) if folder else f"hub:{name}"
    load = partial(_load, name, folder, where, getattr(torch, dtype))
    return _watch((place, str(where), dtype), load)


def _watch(key: Key, load: Callable[[OnProgress], Model]) -> Iterator[Loading | Model]:
    job = _find_or_start(key, load)
    if isinstance(job, Model):
        yield job
        return
    yielded = None
    finished = False
    while not finished:
        finished = bool(wait([job.model], POLL).done)
        failed = finished and job.model.exception() is not None
        state = job.state
        if state != yielded and not failed:
            yield state
            yielded = state
    yield job.model.result()


def _find_or_start(key: Key, load: Callable[[OnProgress], Model]) -> Model | _Job:
    """Return the model if it is in memory, else its load, which is started if there is none."""
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
        if key not in _jobs:
            _jobs[key] = _Job(key, load)
            threading.Thread(target=_jobs[key].run, daemon=True).start()
        return _jobs[key]


def _store(key: Key, model: Model) -> None:
    """Put a model into the cache and drop the least recently used ones."""
    _cache[key] = model
    while len(_cache) > CACHED_MODELS or (
        len(_cache) > 1 and sum(cached.size for cached in _cache.values()) > CACHED_BYTES
    ):
        _cache.popitem(last=False)


def _load(
    name: str,
    folder: Folder | None,
    device: torch.device,
    dtype: torch.dtype,
    on_progress: OnProgress,
) -> Model:
    if folder is None:
        entry = find(name)
        revision = entry.revision if entry else "main"
        megabytes = entry.megabytes if entry else None
        folder = Folder(name, hub.download(name, revision, on_progress, megabytes))
    return read(folder, device, dtype, on_progress)


def _device(name: str | None) -> torch.device:
    if name is None:
        return default_device()
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"There is no device {name!r} on this machine; try cpu.") from error
    return device


def _local_folder(name: str) -> Folder | None:
    """Return the folder of a model on this machine, or None for a model of the Hub.

    A name of the table never means a folder, so that no link reads one.
    """
    if name in BUNDLED:
        return Folder(name, WEIGHTS / name, line_up=name)
    if find(name):
        return None
    path = Path(name)
    if path.is_dir():
        return Folder(path.resolve().name, path)
    if not _HUB_ID.fullmatch(name):
        raise ModelError(
            f"There is no model {name!r}: the bundled ones are {', '.join(BUNDLED)}, anything else "
            "is a diffusers folder or a model of the Hugging Face Hub, written owner/name."
        )
    return None
