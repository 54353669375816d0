"""What a model calls to denoise, and a network that is loaded at its first call."""

import threading
from collections.abc import Callable
from typing import Protocol

from torch import Tensor

Output = tuple[Tensor, ...]  # its first item is the output, (B, C, H, W)


class Network(Protocol):
    """A network that is called as diffusers' networks are."""

    def __call__(self, x: Tensor, timestep: Tensor, /, *, return_dict: bool) -> Output:
        """Return the output for (B, C, H, W) and (B,) timesteps."""


class LazyNetwork:
    """A network that is loaded when it is first needed, so that its model is ready at once.

    Args:
        load: returns the network; called once.
        size: bytes of its weights on the disk.
    """

    def __init__(self, load: Callable[[], Network], size: int):
        self.size = size
        self._load = load
        self._network: Network | None = None
        self._lock = threading.Lock()

    @property
    def loaded(self) -> bool:
        """Whether the network is in memory."""
        return self._network is not None

    @property
    def network(self) -> Network:
        """The network; the first thread that needs it loads it, the others wait."""
        with self._lock:
            if self._network is None:
                self._network = self._load()
            return self._network

    def __call__(self, x: Tensor, timestep: Tensor, return_dict: bool = False) -> Output:
        """Call the network."""
        return self.network(x, timestep, return_dict=return_dict)
