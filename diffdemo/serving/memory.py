"""Settings for the memory of a server process: Python's garbage collector, and glibc's heaps."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_M_ARENA_MAX = -8  # a parameter of glibc's mallopt


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Disable the garbage collector while importing, and freeze what was imported.

    A million objects of imported packages stay for ever; searching them takes a fifth of the time
    of a start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def share_heaps() -> None:
    """Let all threads share two heaps.

    glibc gives each thread its own, which stays as large as it ever was.
    """
    _call_glibc("mallopt", _M_ARENA_MAX, 2)


def return_freed_memory() -> None:
    """Return freed memory to the system; glibc holds tens of megabytes after a few large bodies."""
    _call_glibc("malloc_trim", 0)


def _call_glibc(function: str, *numbers: int) -> None:
    """Call a function of glibc; do nothing where the C library is another one."""
    with suppress(OSError, AttributeError):
        getattr(ctypes.CDLL("libc.so.6"), function)(*numbers)
