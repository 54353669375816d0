"""What a run costs: multiply-adds of a network call, how many this machine does in a second, and a rough time from both."""

import time
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.utils.flop_counter import FlopCounterMode

from diffdemo.models.loading import default_device
from diffdemo.models.model import Model
from diffdemo.models.table import TABLE, Entry

ROWS, CALLS = 16, 20  # of the run that the table estimates: a gallery of 16 seeds with 20 steps
SECONDS = 0.2  # of measuring
_counted: "WeakKeyDictionary[torch.nn.Module, float]" = WeakKeyDictionary()


def gmacs(model: Model) -> float:
    """Billions of multiply-adds of one network call for one row, counted once for each network without computing anything."""
    network = model.unet
    if network not in _counted:
        x, timestep = torch.empty(1, *model.shape, device="meta", dtype=model.dtype), torch.empty(1, device="meta", dtype=torch.int64)
        options: dict[str, Any] = {"return_dict": False}
        if model.text:
            length, width = model.text.tokenizer.model_max_length, model.text.network.config.hidden_size
            options["encoder_hidden_states"] = torch.empty(1, length, width, device="meta", dtype=model.dtype)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            _hollow(network)(x, timestep, **options)
        _counted[network] = counter.get_total_flops() / 2e9
    return _counted[network]


def _hollow(network: torch.nn.Module) -> torch.nn.Module:
    """The same network with no numbers in it; the network itself is not touched, for others may be asking it meanwhile."""
    hollow = {id(p): torch.nn.Parameter(p.to("meta"), requires_grad=False) for p in network.parameters()}
    return deepcopy(network, hollow | {id(b): b.to("meta") for b in network.buffers()})


@lru_cache(maxsize=4)
def machine_rate(device: str = "") -> float:
    """Billions of multiply-adds in a second that a convolution of middling size reaches; measured once, for SECONDS.

    Args:
        device: a torch device name; nothing for that of `default_device`.
    """
    where = torch.device(device) if device else default_device()
    x, weight = torch.randn(4, 128, 32, 32, device=where), torch.randn(128, 128, 3, 3, device=where)
    work = 4 * 32 * 32 * 128 * 128 * 9 / 1e9
    for _ in range(2):
        float(torch.nn.functional.conv2d(x, weight, padding=1)[0, 0, 0, 0])  # reading a value waits for the device
    began, done = time.perf_counter(), 0
    while (seconds := time.perf_counter() - began) < SECONDS:
        float(torch.nn.functional.conv2d(x, weight, padding=1)[0, 0, 0, 0])
        done += 1
    return done * work / seconds


def estimate_seconds(model: Entry | Model, rows: int, calls: int, guidance: float = 1.0) -> float:
    """Roughly how long a run takes: rows x calls x multiply-adds of a call / those of this machine in a second.

    A rough figure: small networks wait more than they compute, large ones may not fit, and the decoding of latents is not counted.

    Args:
        model: a model, or an entry of the table before it is loaded.
        rows: pictures denoised.
        calls: network calls for each.
        guidance: other than 1 doubles it; a model bound to a guidance brings its own.
    """
    if isinstance(model, Entry):
        each, rate = model.gmacs, machine_rate()
    else:
        each, rate, guidance = gmacs(model), machine_rate(str(model.device)), model.guidance
    return rows * calls * each * (1 if guidance == 1 else 2) / rate


def table_lines() -> Iterator[str]:
    """The table of models in Markdown, with a rough time for ROWS pictures of CALLS steps on this machine."""
    yield f"| model | kind | picture | download | licence | revision | {ROWS} pictures, {CALLS} steps, about |"
    yield "|---|---|---|---|---|---|---|"
    for e in TABLE:
        size = "bundled" if not e.hub else f"{e.megabytes:,.0f} MB" if e.megabytes else "unknown"
        revision = "bundled" if not e.hub else e.revision if e.verified else f"{e.revision}, not verified"
        took = duration(estimate_seconds(e, ROWS, CALLS))
        yield f"| {e.name} | {e.kind} | {e.picture[0]} x {e.picture[1]} | {size} | {e.licence} | {revision} | {took} |"


def duration(seconds: float) -> str:
    """A rough time in words."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.0f} hours"
