"""A cache of results, bounded by the bytes of their tensors."""

import threading
from collections import OrderedDict
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

MAX_BYTES = 200_000_000


class Cache:
    """The latest results, so that a download, a link or a repeated run is not computed again.

    Args:
        limit: bytes of all tensors held. The least recently used result goes first, and one that
            is larger alone is not held.
    """

    def __init__(self, limit: int = MAX_BYTES):
        self.limit = limit
        self._lock = threading.Lock()
        self._held: OrderedDict[Any, tuple[Any, int]] = OrderedDict()

    def get(self, key: Any) -> Any:
        """Return the result of a key, or None."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: Any, result: Any) -> None:
        """Hold a result."""
        size = tensor_bytes(result)
        if size > self.limit:
            return
        with self._lock:
            self._held[key] = (result, size)
            self._held.move_to_end(key)
            while sum(size for _, size in self._held.values()) > self.limit:
                self._held.popitem(last=False)

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            self._held.clear()

    def __len__(self) -> int:
        return len(self._held)


def tensor_bytes(value: Any) -> int:
    """Count the bytes of all tensors in a result."""
    if isinstance(value, Tensor):
        return value.element_size() * value.nelement()
    parts: Any = ()
    if is_dataclass(value):
        parts = [getattr(value, item.name) for item in fields(value)]
    elif isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, tuple | list):
        parts = value
    return sum(tensor_bytes(part) for part in parts)
