"""A faster forward pass of a UNet2DModel on a CPU: diffusers' numbers up to rounding.

What differs: pictures stay in channels-last order, so no operator reorders them. The time
embedding is computed once a level, not once a row, and enters as the bias of a convolution.
Activations and residuals are computed in place. Each convolution is computed in the way that suits
the size of its pictures (see `convolutions`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, group_norm, linear, scaled_dot_product_attention, silu

from diffdemo.models.fast.convolutions import (
    CHANNELS_LAST,
    Bilinear,
    Convolution,
    Interpolated,
    Plain,
    Shift,
    Upsampled,
    axis_algorithm,
    gain,
)

if TYPE_CHECKING:
    from diffusers import UNet2DModel
    from diffusers.models.attention_processor import Attention
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.unets.unet_2d_blocks import DownBlock2D, UNetMidBlock2D, UpBlock2D

Part = Callable[[Tensor, Sequence[Shift]], Tensor]

MIN_GAIN = 1.5  # below this gain, a bilinear algorithm takes longer than torch's convolution
MAX_PREPARED = 2**28  # bytes of prepared weights for one network
MAX_TOKENS = 256  # up to here, two matrix products are faster than the fused attention
DOWN_BLOCKS = {"DownBlock2D", "AttnDownBlock2D"}
UP_BLOCKS = {"UpBlock2D", "AttnUpBlock2D"}
SUPPORTED = {
    "act_fn": ("silu", "swish"),
    "center_input_sample": (False,),
    "class_embed_type": (None,),
    "downsample_type": ("conv",),
    "mid_block_scale_factor": (1,),
    "num_class_embeds": (None,),
    "resnet_time_scale_shift": ("default",),
    "time_embedding_type": ("positional", "learned"),
    "upsample_type": ("conv",),
}


def _normalize(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    return group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)


def _activate(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    return silu(_normalize(x, norm), inplace=True)


def _pixels(x: Tensor) -> Tensor:
    """View (B, C, H, W) in channels-last order as (B H W, C)."""
    return x.permute(0, 2, 3, 1).view(-1, x.shape[1])


class _Resnet:
    """diffusers' ResnetBlock2D; `shifts[index]` is its time projection plus its first bias."""

    def __init__(self, block: "ResnetBlock2D", index: int, conv1: Convolution, conv2: Convolution):
        self.index = index
        self.norm1 = block.norm1
        self.norm2 = block.norm2
        self.conv1 = conv1
        self.conv2 = conv2
        self.shift = block.conv2.bias[None]
        self.shortcut = None
        if block.conv_shortcut is not None:
            self.shift = self.shift + block.conv_shortcut.bias
            self.shortcut = block.conv_shortcut.weight.flatten(1).t()

    def __call__(self, x: Tensor, shifts: Sequence[Shift]) -> Tensor:
        h = self.conv1(_activate(x, self.norm1), shifts[self.index])
        h = self.conv2(_activate(h, self.norm2), self.shift)
        if self.shortcut is None:
            return h.add_(x)
        _pixels(h).addmm_(_pixels(x), self.shortcut)
        return h


class _Attention:
    """diffusers' Attention between pixels; one matrix product gives queries, keys and values."""

    def __init__(self, block: "Attention"):
        projections = (block.to_q, block.to_k, block.to_v)
        self.norm = block.group_norm
        self.heads = block.heads
        self.out = block.to_out[0]
        self.weight = torch.cat([projection.weight for projection in projections]).t()
        self.bias = torch.cat([projection.bias for projection in projections])

    def __call__(self, x: Tensor, shifts: Sequence[Shift]) -> Tensor:
        batch, channels, height, width = x.shape
        tokens = height * width
        projected = torch.addmm(self.bias, _pixels(_normalize(x, self.norm)), self.weight)
        by_head = projected.view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = by_head.flatten(1, 2)
        attended = _attend(query, key, value).view(batch, self.heads, tokens, -1)
        joined = attended.transpose(1, 2).reshape(batch * tokens, -1)
        y = linear(joined, self.out.weight, self.out.bias).view(batch, height, width, channels)
        return y.permute(0, 3, 1, 2).add_(x)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return softmax(q k^T / sqrt(d)) v; all are (B heads, tokens, d)."""
    if query.shape[1] > MAX_TOKENS:
        return scaled_dot_product_attention(query[None], key[None], value[None])[0]
    nothing = query.new_empty(())  # baddbmm adds it times beta = 0
    scale = query.shape[-1] ** -0.5
    scores = torch.baddbmm(nothing, query, key.transpose(1, 2), beta=0, alpha=scale)
    return torch.bmm(scores.softmax(-1), value)


@dataclass(frozen=True, eq=False)
class _Conv:
    """A convolution whose bias does not depend on the level."""

    convolve: Convolution
    shift: Shift

    def __call__(self, x: Tensor, shifts: Sequence[Shift]) -> Tensor:
        return self.convolve(x, self.shift)


@dataclass(frozen=True, eq=False)
class _Stage:
    """Parts that run one after the other."""

    parts: Sequence[Part]
    joins_skip: bool = False  # the newest skip connection is joined to the input
    saves_skip: bool = False  # the output becomes a skip connection


class Engine:
    """The forward pass of a UNet2DModel for pictures of one size; deterministic and thread-safe.

    Args:
        network: one that `supports` accepts; later changes of its weights have no effect.
        size: (H, W) of its pictures.

    Attributes:
        unet: the network.
        prepared: bytes of weights held beside the network's.
    """

    @torch.no_grad()
    def __init__(self, network: "UNet2DModel", size: tuple[int, int]):
        self.unet = network
        self.prepared = 0
        first = _Conv(Plain(network.conv_in), network.conv_in.bias[None])
        self.stages = [_Stage([first], saves_skip=True)]
        self._resnets: list[ResnetBlock2D] = []
        for block in network.down_blocks:
            size = self._add_level(block, size, up=False)
        if network.mid_block is not None:
            self._add_middle(network.mid_block, size)
        for block in network.up_blocks:
            size = self._add_level(block, size, up=True)
        resnets = self._resnets
        self.weight = torch.cat([resnet.time_emb_proj.weight for resnet in resnets])
        self.bias = torch.cat([r.time_emb_proj.bias + r.conv1.bias for r in resnets])
        self.widths = [resnet.conv1.out_channels for resnet in resnets]

    def __call__(self, x: Tensor, timestep: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """(B, C, H, W) and (B,) timesteps → a tuple of one, (B, C, H, W)."""
        with torch.inference_mode():
            y = self._forward(x, timestep)
        # Cloned outside inference mode, so the caller gets an ordinary tensor.
        return (y.clone(memory_format=torch.contiguous_format),)

    def _forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        shifts = self._shifts(timestep)
        skips: list[Tensor] = []
        x = x.contiguous(memory_format=CHANNELS_LAST)
        for stage in self.stages:
            if stage.joins_skip:
                x = torch.cat([x, skips.pop()], 1)
            for part in stage.parts:
                x = part(x, shifts)
            if stage.saves_skip:
                skips.append(x)
        last = self.unet.conv_out
        return conv2d(_activate(x, self.unet.conv_norm_out), last.weight, last.bias, padding=1)

    def _shifts(self, timestep: Tensor) -> Sequence[Shift]:
        """Return what each first convolution adds: (B, D), or (1, D) if all are at one level."""
        levels, row = timestep.unique(return_inverse=True)
        embedding = self.unet.time_embedding(self.unet.time_proj(levels).to(self.weight.dtype))
        shifts = linear(silu(embedding), self.weight, self.bias)
        return (shifts if len(levels) == 1 else shifts[row]).split(self.widths, 1)

    def _add_level(
        self, block: "DownBlock2D | UpBlock2D", size: tuple[int, int], up: bool
    ) -> tuple[int, int]:
        """Add the stages of one level; returns the size of the pictures that leave it."""
        attentions = getattr(block, "attentions", [None] * len(block.resnets))
        for resnet, attention in zip(block.resnets, attentions, strict=True):
            parts = [self._resnet(resnet, size)]
            parts += [_Attention(attention)] if attention else []
            self.stages.append(_Stage(parts, joins_skip=up, saves_skip=not up))
        samplers = block.upsamplers if up else block.downsamplers
        if not samplers:
            return size
        conv = samplers[0].conv
        convolve = self._convolution(conv, size, up=True) if up else Plain(conv)
        self.stages.append(_Stage([_Conv(convolve, conv.bias[None])], saves_skip=not up))
        height, width = size
        return (2 * height, 2 * width) if up else (-(-height // 2), -(-width // 2))

    def _add_middle(self, block: "UNetMidBlock2D", size: tuple[int, int]) -> None:
        parts = [self._resnet(block.resnets[0], size)]
        for attention, resnet in zip(block.attentions, block.resnets[1:], strict=True):
            parts += [_Attention(attention)] if attention else []
            parts.append(self._resnet(resnet, size))
        self.stages.append(_Stage(parts))

    def _resnet(self, block: "ResnetBlock2D", size: tuple[int, int]) -> Part:
        index = len(self._resnets)
        self._resnets.append(block)
        conv1 = self._convolution(block.conv1, size)
        return _Resnet(block, index, conv1, self._convolution(block.conv2, size))

    def _convolution(self, conv: nn.Conv2d, size: tuple[int, int], up: bool = False) -> Convolution:
        """Choose how to compute a convolution, by a fixed rule: a link replays the same pixels."""
        rows = axis_algorithm(size[0], up)
        columns = axis_algorithm(size[1], up)
        usual = 16 if up else 9
        each = conv.weight.numel() // 9 * conv.weight.element_size()
        if (
            rows
            and columns
            and gain(conv, (rows, columns), size, usual) >= MIN_GAIN
            and self._reserve(len(rows.T) * len(columns.T) * each)
        ):
            return Bilinear(conv, (rows, columns), size)
        if up:
            return Upsampled(conv) if self._reserve(16 * each) else Interpolated(conv)
        return Plain(conv)

    def _reserve(self, size: int) -> bool:
        """Reserve memory for prepared weights; returns whether `size` more bytes are allowed."""
        fits = self.prepared + size <= MAX_PREPARED
        self.prepared += size if fits else 0
        return fits


def supports(network: "UNet2DModel") -> bool:
    """Return whether a network is a UNet2DModel of plain blocks, in float32 on a CPU."""
    return (
        type(network).__name__ == "UNet2DModel"
        and network.dtype == torch.float32
        and network.device.type == "cpu"
        and set(network.config.down_block_types) <= DOWN_BLOCKS
        and set(network.config.up_block_types) <= UP_BLOCKS
        and all(network.config[name] in values for name, values in SUPPORTED.items())
    )


def speed_up(network: "UNet2DModel", shape: tuple[int, int, int]) -> "Engine | UNet2DModel":
    """Return an `Engine` for pictures of a shape (C, H, W), or the network where none fits."""
    return Engine(network, shape[1:]) if supports(network) else network
