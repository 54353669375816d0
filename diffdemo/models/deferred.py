"""A network that is read from the disk when it is first asked, so that whoever only wants to know about its model need not wait."""

import threading
from collections.abc import Callable
from typing import Any


class Deferred:
    """Stands for a network until it is needed.

    Args:
        read: gives the network; called once.
        size: bytes of its weights on the disk.
    """

    def __init__(self, read: Callable[[], Any], size: int):
        self.size = size
        self._read, self._network, self._reading = read, None, threading.Lock()

    @property
    def read(self) -> bool:
        """It is in memory."""
        return self._network is not None

    @property
    def network(self) -> Any:
        """The network; whoever asks first reads it, and the others wait."""
        with self._reading:
            if self._network is None:
                self._network = self._read()
            return self._network

    def __call__(self, *args: Any, **options: Any) -> Any:
        """As the network itself."""
        return self.network(*args, **options)
