"""Prompts: a text encoder, and a text-conditioned network bound to one prompt with classifier-free guidance."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from diffdemo.errors import ExperimentError

KEPT = 32  # embeddings held in memory at most


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """CLIP's tokenizer and text model; embeddings of the last few prompts are kept.

    Attributes:
        tokenizer, network: those of transformers.
        device: where it computes, in float32.
    """

    tokenizer: Any = field(repr=False)
    network: Any = field(repr=False)
    device: torch.device
    _known: "OrderedDict[str, Tensor]" = field(default_factory=OrderedDict, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def check(self, prompt: str) -> None:
        """Refuse a prompt that would be cut off.

        Raises:
            ExperimentError: it has more tokens than the text model reads.
        """
        count, limit = len(self.tokenizer(prompt).input_ids), self.tokenizer.model_max_length
        if count > limit:
            raise ExperimentError(f"The prompt has {count} tokens, of which this model reads {limit}; please shorten it.")

    @torch.no_grad()
    def embed(self, prompt: str) -> Tensor:
        """(1, L, D) float32, the last hidden states of the prompt, padded to the tokenizer's length."""
        with self._lock:
            if prompt not in self._known:
                options = {"padding": "max_length", "max_length": self.tokenizer.model_max_length, "truncation": True}
                tokens = self.tokenizer(prompt, return_tensors="pt", **options).to(self.device)
                mask = tokens.attention_mask if getattr(self.network.config, "use_attention_mask", False) else None
                self._known[prompt] = self.network(tokens.input_ids, attention_mask=mask)[0]
            self._known.move_to_end(prompt)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            return self._known[prompt]


@dataclass(frozen=True, eq=False)
class Prompted:
    """A text-conditioned network bound to one prompt; called as an unconditional one is.

    Attributes:
        unet: diffusers' UNet2DConditionModel.
        text: reads the prompt.
        prompt, guidance: as in `Model.conditioned`.
    """

    unet: Any = field(repr=False)
    text: TextEncoder = field(repr=False)
    prompt: str = ""
    guidance: float = 1.0

    def __call__(self, x: Tensor, timestep: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """(B, C, H, W) and (B,) timesteps → a tuple of one, (B, C, H, W); with guidance the network sees every row twice in one call."""
        asked = self.text.embed(self.prompt).to(x.dtype).expand(len(x), -1, -1)
        if self.guidance == 1:
            return (self.unet(x, timestep, encoder_hidden_states=asked, return_dict=False)[0],)
        free = self.text.embed("").to(x.dtype).expand(len(x), -1, -1)
        both = self.unet(torch.cat([x, x]), torch.cat([timestep, timestep]), encoder_hidden_states=torch.cat([free, asked]), return_dict=False)[0]
        eps_u, eps_c = both.chunk(2)
        return (eps_u + self.guidance * (eps_c - eps_u),)
