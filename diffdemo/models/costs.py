"""What a run costs: the multiply-adds of a network call, and a rough time on this machine."""

import time
from copy import deepcopy
from functools import lru_cache
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.utils.flop_counter import FlopCounterMode

from diffdemo.models.loading import default_device
from diffdemo.models.model import Model
from diffdemo.models.table import TableEntry

SECONDS = 0.2  # for which the machine is measured
_counted: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()


def gmacs(model: Model) -> float:
    """Return billions of multiply-adds of one network call for one row.

    Counted once a network, on the meta device, where nothing is computed.
    """
    network = model.unet
    if network not in _counted:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            _meta_copy(network)(*_meta_inputs(model), return_dict=False)
        _counted[network] = counter.get_total_flops() / 2e9
    return _counted[network]


def _meta_inputs(model: Model) -> list[Tensor]:
    x = torch.empty(1, *model.shape, device="meta", dtype=model.dtype)
    timestep = torch.empty(1, device="meta", dtype=torch.int64)
    if model.text is None:
        return [x, timestep]
    return [x, timestep, torch.empty(1, *model.text.shape, device="meta", dtype=model.dtype)]


def _meta_copy(network: nn.Module) -> nn.Module:
    """Copy a network without its weights; other threads may be using the network meanwhile."""
    copies: dict[int, Tensor] = {id(b): b.to("meta") for b in network.buffers()}
    for parameter in network.parameters():
        copies[id(parameter)] = nn.Parameter(parameter.to("meta"), requires_grad=False)
    return deepcopy(network, copies)


@lru_cache(maxsize=4)
def machine_rate(device: str = "") -> float:
    """Measure how many billions of multiply-adds a second a convolution of medium size reaches.

    Args:
        device: a torch device name; empty for that of `default_device`.
    """
    where = torch.device(device) if device else default_device()
    x = torch.randn(4, 128, 32, 32, device=where)
    weight = torch.randn(128, 128, 3, 3, device=where)
    work = 4 * 32 * 32 * 128 * 128 * 9 / 1e9

    def convolve() -> None:
        float(conv2d(x, weight, padding=1)[0, 0, 0, 0])  # reading a value waits for the device

    convolve()
    convolve()
    done = 0
    start = time.perf_counter()
    while (seconds := time.perf_counter() - start) < SECONDS:
        convolve()
        done += 1
    return done * work / seconds


def estimate_seconds(model: TableEntry | Model, rows: int, calls: int) -> float:
    """Return roughly how long a run takes.

    That is rows x calls x multiply-adds of a call, over those of this machine in a second; twice
    that with guidance. Small networks take longer, for they wait more than they compute; large
    ones may not fit into memory, and the decoding of latents is not counted.

    Args:
        model: a model, or an entry of the table before it is loaded.
        rows: pictures denoised.
        calls: network calls for each.
    """
    if isinstance(model, TableEntry):
        return rows * calls * model.gmacs / machine_rate()
    doubled = 1 if model.guidance == 1 else 2
    return rows * calls * gmacs(model) * doubled / machine_rate(str(model.device))


def duration(seconds: float) -> str:
    """Return a rough time in words."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.0f} hours"
