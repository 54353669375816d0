"""Make torchvision importable beside a torch built for another kind of device.

It then lacks two operators. The other samplers import torchvision for their data sets alone, and
diffusers does where it is installed; nothing here uses the operators. Import this before either.
"""

from importlib.util import find_spec

import torch

if find_spec("torchvision"):
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for _name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{_name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
