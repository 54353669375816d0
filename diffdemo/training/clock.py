"""The time that a training run has spent computing, without the time it spent waiting."""

import time

import torch

LONGEST_STEP = 60.0  # seconds of wall time; a longer gap is a pause


class Clock:
    """Measures computing time between calls of `tick`.

    On a CPU this is the process's CPU time divided by the number of torch threads, so that a run
    which is paused or starved by other work loses nothing; OMP_WAIT_POLICY has to be PASSIVE, as
    threads that wait for each other otherwise use CPU time. On other devices it is wall time, and
    a gap of more than LONGEST_STEP does not count.

    Args:
        device: where the network computes.
    """

    def __init__(self, device: torch.device):
        self.on_cpu = device.type == "cpu"
        self.last = self._now()

    def tick(self) -> float:
        """Return the seconds of computing since the last call, or since the start."""
        now = self._now()
        passed = now - self.last
        self.last = now
        if self.on_cpu:
            return passed / torch.get_num_threads()
        return passed if passed <= LONGEST_STEP else 0.0

    def _now(self) -> float:
        return time.process_time() if self.on_cpu else time.monotonic()
