"""The forward pass of a UNet2DModel on a CPU: diffusers' own numbers up to rounding, in less time and with no other packages.

What it does otherwise: pictures stay in channels-last order, so that no operator reorders them; the time embedding is computed once for
each level that the rows are at, not once a row, and comes in as the bias of a convolution; activations and residuals are computed in
place; each convolution is computed in the way that fits the size of its pictures (see `convolutions`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, group_norm, linear, scaled_dot_product_attention, silu

from diffdemo.models.convolutions import LAST, Bilinear, Convolution, Interpolated, Plain, Shift, Upsampled, algorithm, gain

Part = Callable[[Tensor, Sequence[Shift]], Tensor]

_GAIN = 1.5  # times fewer multiplications than the plain way, or a bilinear algorithm does not pay
_PREPARED = 2**28  # bytes of prepared weights for one network at most; the convolutions that are left stay plain
_TOKENS = 256  # up to here two matrix products are faster than the fused attention
_DOWN, _UP = {"DownBlock2D", "AttnDownBlock2D"}, {"UpBlock2D", "AttnUpBlock2D"}


def _normal(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    return group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)


def _active(x: Tensor, norm: nn.GroupNorm) -> Tensor:
    return silu(_normal(x, norm), inplace=True)


def _pixels(x: Tensor) -> Tensor:
    """(B, C, H, W) in channels-last order → (B H W, C), the same memory."""
    return x.permute(0, 2, 3, 1).view(-1, x.shape[1])


class _Resnet:
    """diffusers' ResnetBlock2D; the shift in its place holds its time projection and the bias of its first convolution."""

    def __init__(self, block: Any, place: int, conv1: Convolution, conv2: Convolution):
        self.norm1, self.norm2, self.conv1, self.conv2, self.place = block.norm1, block.norm2, conv1, conv2, place
        self.shift, self.shortcut = block.conv2.bias[None], None
        if block.conv_shortcut is not None:
            self.shift = self.shift + block.conv_shortcut.bias
            self.shortcut = block.conv_shortcut.weight.flatten(1).t()

    def __call__(self, x: Tensor, shifts: Sequence[Shift]) -> Tensor:
        h = self.conv1(_active(x, self.norm1), shifts[self.place])
        h = self.conv2(_active(h, self.norm2), self.shift)
        if self.shortcut is None:
            return h.add_(x)
        _pixels(h).addmm_(_pixels(x), self.shortcut)
        return h


class _Attention:
    """diffusers' Attention between the pixels of a picture; queries, keys and values come from one matrix product."""

    def __init__(self, block: Any):
        parts = block.to_q, block.to_k, block.to_v
        self.norm, self.heads, self.out = block.group_norm, block.heads, block.to_out[0]
        self.weight, self.bias = torch.cat([part.weight for part in parts]).t(), torch.cat([part.bias for part in parts])

    def __call__(self, x: Tensor, shifts: Sequence[Shift]) -> Tensor:
        batch, channels, height, width = x.shape
        each = torch.addmm(self.bias, _pixels(_normal(x, self.norm)), self.weight).view(batch, height * width, 3, self.heads, -1)
        query, key, value = each.permute(2, 0, 3, 1, 4).flatten(1, 2)
        if height * width > _TOKENS:
            found = scaled_dot_product_attention(query[None], key[None], value[None])[0]
        else:
            scores = torch.baddbmm(query.new_empty(()), query, key.transpose(1, 2), beta=0, alpha=query.shape[-1] ** -0.5)
            found = torch.bmm(scores.softmax(-1), value)
        joined = found.view(batch, self.heads, height * width, -1).transpose(1, 2).reshape(batch * height * width, -1)
        return linear(joined, self.out.weight, self.out.bias).view(batch, height, width, channels).permute(0, 3, 1, 2).add_(x)


@dataclass(frozen=True, eq=False)
class _Alone:
    """A convolution that adds the same at every level."""

    way: Convolution
    shift: Shift

    def __call__(self, x: Tensor, shifts: Sequence[Shift]) -> Tensor:
        return self.way(x, self.shift)


@dataclass(frozen=True, eq=False)
class _Stage:
    """Parts of the network in a row; what was kept last may be joined to their input, and their output kept."""

    parts: Sequence[Part]
    joins: bool = False
    keeps: bool = False


class Engine:
    """A UNet2DModel's forward pass for pictures of one size; called as the network is, deterministic, safe in several threads at once.

    Args:
        network: one that `supports` accepts; later changes of its weights are not noticed.
        size: (H, W) of its pictures.

    Attributes:
        unet: the network.
        prepared: bytes of weights held beside the network's.
    """

    @torch.no_grad()
    def __init__(self, network: Any, size: tuple[int, int]):
        self.unet, self.prepared = network, 0
        self.stages: list[_Stage] = []
        self._blocks: list[Any] = []
        self._add([_Alone(Plain(network.conv_in), network.conv_in.bias[None])], keeps=True)
        for block in network.down_blocks:
            size = self._level(block, size, block.downsamplers, keeps=True)
        if network.mid_block is not None:
            self._add(self._middle(network.mid_block, size))
        for block in network.up_blocks:
            size = self._level(block, size, block.upsamplers, joins=True)
        self.weight = torch.cat([block.time_emb_proj.weight for block in self._blocks])
        self.bias = torch.cat([block.time_emb_proj.bias + block.conv1.bias for block in self._blocks])
        self.widths = [block.conv1.out_channels for block in self._blocks]
        del self._blocks

    def __call__(self, x: Tensor, timestep: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """(B, C, H, W) and (B,) timesteps → a tuple of one, (B, C, H, W)."""
        with torch.inference_mode():
            y = self._forward(x, timestep)
        return (y.clone(memory_format=torch.contiguous_format),)  # outside, so that the caller gets an ordinary tensor

    def _forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        shifts, unet = self._shifts(timestep), self.unet
        kept: list[Tensor] = []
        x = x.contiguous(memory_format=LAST)
        for stage in self.stages:
            if stage.joins:
                x = torch.cat([x, kept.pop()], 1)
            for part in stage.parts:
                x = part(x, shifts)
            if stage.keeps:
                kept.append(x)
        return conv2d(_active(x, unet.conv_norm_out), unet.conv_out.weight, unet.conv_out.bias, padding=1)

    def _shifts(self, timestep: Tensor) -> Sequence[Shift]:
        """What each block's first convolution adds: (1, C) where all rows are at one level, else (B, C)."""
        levels, row = timestep.unique(return_inverse=True)
        embedding = self.unet.time_embedding(self.unet.time_proj(levels).to(self.weight.dtype))
        shifts = linear(silu(embedding), self.weight, self.bias)
        return (shifts if len(levels) == 1 else shifts[row]).split(self.widths, 1)

    def _add(self, parts: Sequence[Part], joins: bool = False, keeps: bool = False) -> None:
        self.stages.append(_Stage(parts, joins, keeps))

    def _level(self, block: Any, size: tuple[int, int], samplers: Any, joins: bool = False, keeps: bool = False) -> tuple[int, int]:
        """The stages of one level; returns the size of the pictures that leave it."""
        attentions = getattr(block, "attentions", [None] * len(block.resnets))
        for resnet, attention in zip(block.resnets, attentions, strict=True):
            self._add([self._resnet(resnet, size), *self._attention(attention)], joins, keeps)
        if not samplers:
            return size
        conv = samplers[0].conv
        self._add([_Alone(Plain(conv) if keeps else self._conv(conv, size, up=True), conv.bias[None])], keeps=keeps)
        return (-(-size[0] // 2), -(-size[1] // 2)) if keeps else (2 * size[0], 2 * size[1])

    def _middle(self, block: Any, size: tuple[int, int]) -> list[Part]:
        parts: list[Part] = [self._resnet(block.resnets[0], size)]
        for attention, resnet in zip(block.attentions, block.resnets[1:], strict=True):
            parts += [*self._attention(attention), self._resnet(resnet, size)]
        return parts

    def _attention(self, block: Any) -> list[Part]:
        return [] if block is None else [_Attention(block)]

    def _resnet(self, block: Any, size: tuple[int, int]) -> Part:
        self._blocks.append(block)
        return _Resnet(block, len(self._blocks) - 1, self._conv(block.conv1, size), self._conv(block.conv2, size))

    def _conv(self, conv: nn.Conv2d, size: tuple[int, int], up: bool = False) -> Convolution:
        """The way to compute a convolution of pictures of a size: by a fixed rule, so that a link replays to the same pixels."""
        rows, columns = algorithm(size[0], up), algorithm(size[1], up)
        each = conv.weight.numel() // 9 * conv.weight.element_size()
        if rows and columns and gain(conv, (rows, columns), size, 16 if up else 9) >= _GAIN and self._room(len(rows.T) * len(columns.T) * each):
            return Bilinear(conv, (rows, columns), size)
        if up:
            return Upsampled(conv) if self._room(16 * each) else Interpolated(conv)
        return Plain(conv)

    def _room(self, size: int) -> bool:
        """Whether so many bytes more may be held; they are then."""
        fits = self.prepared + size <= _PREPARED
        self.prepared += size if fits else 0
        return fits


def supports(network: Any) -> bool:
    """Whether an `Engine` can stand for a network: a UNet2DModel made of the plain kinds of blocks, in float32 on a CPU."""
    if type(network).__name__ != "UNet2DModel" or network.dtype != torch.float32 or network.device.type != "cpu":
        return False
    config = network.config
    plain = {
        "act_fn": ("silu", "swish"), "center_input_sample": (False,), "class_embed_type": (None,), "downsample_type": ("conv",),
        "mid_block_scale_factor": (1,), "num_class_embeds": (None,), "resnet_time_scale_shift": ("default",),
        "time_embedding_type": ("positional", "learned"), "upsample_type": ("conv",),
    }  # fmt: skip
    blocks = set(config.down_block_types) <= _DOWN and set(config.up_block_types) <= _UP
    return blocks and all(config[name] in values for name, values in plain.items())


def fastest(network: Any, shape: tuple[int, int, int]) -> Any:
    """What computes a network for pictures of a shape (C, H, W): an `Engine` where there is one for it, else the network itself."""
    return Engine(network, shape[1:]) if supports(network) else network
