"""Prompts: a text encoder, and a network that follows a prompt with classifier-free guidance."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from diffdemo.diffusion.terms import MAX_GUIDANCE, MAX_PROMPT
from diffdemo.errors import ExperimentError

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

MAX_EMBEDDINGS = 32  # held in memory


def check(prompt: str, guidance: float) -> None:
    """Check a prompt and a guidance as far as the model does not matter.

    Raises:
        ExperimentError: the prompt is no text or too long, or the guidance is out of bounds.
    """
    if not isinstance(prompt, str) or len(prompt) > MAX_PROMPT:
        raise ExperimentError(f"A prompt is one line of at most {MAX_PROMPT} characters.")
    is_number = isinstance(guidance, int | float) and not isinstance(guidance, bool)
    if not is_number or not 1 <= guidance <= MAX_GUIDANCE:
        bounds = f"a number from 1 (off) to {MAX_GUIDANCE}"
        raise ExperimentError(f"Guidance is {bounds}, not {str(guidance)[:40]}.")


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """CLIP's tokenizer and text model, with a cache of embeddings.

    Attributes:
        tokenizer: that of transformers.
        network: that of transformers; it computes in float32.
        device: where it computes.
    """

    tokenizer: "CLIPTokenizer" = field(repr=False)
    network: "CLIPTextModel" = field(repr=False)
    device: torch.device
    _cache: OrderedDict[str, Tensor] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(L, D) of an embedding: tokens, and numbers a token."""
        return self.tokenizer.model_max_length, self.network.config.hidden_size

    def check(self, prompt: str) -> None:
        """Check that a prompt is not cut off.

        Raises:
            ExperimentError: it has more tokens than the text model reads.
        """
        with self._lock:  # a tokenizer fails when two threads use it at once
            count = len(self.tokenizer(prompt).input_ids)
        limit = self.tokenizer.model_max_length
        if count > limit:
            raise ExperimentError(
                f"The prompt has {count} tokens, of which this model reads {limit}; "
                "please shorten it."
            )

    def embed(self, prompt: str) -> Tensor:
        """Return the last hidden states of a prompt, (1, L, D) float32."""
        with self._lock:
            if prompt not in self._cache:
                self._cache[prompt] = self._compute(prompt)
            self._cache.move_to_end(prompt)
            while len(self._cache) > MAX_EMBEDDINGS:
                self._cache.popitem(last=False)
            return self._cache[prompt]

    @torch.no_grad()
    def _compute(self, prompt: str) -> Tensor:
        """Compute an embedding as diffusers does: padded to the tokenizer's length."""
        length = self.tokenizer.model_max_length
        options = {"padding": "max_length", "max_length": length, "truncation": True}
        tokens = self.tokenizer(prompt, return_tensors="pt", **options).to(self.device)
        use_mask = getattr(self.network.config, "use_attention_mask", False)
        mask = tokens.attention_mask if use_mask else None
        return self.network(tokens.input_ids, attention_mask=mask)[0]


@dataclass(frozen=True, eq=False)
class Prompted:
    """A text-conditioned network with its prompt; called as an unconditional one is.

    Attributes:
        unet: diffusers' UNet2DConditionModel.
        text: encodes the prompt.
        prompt: as in `Model.conditioned`.
        guidance: as in `Model.conditioned`.
    """

    unet: "UNet2DConditionModel" = field(repr=False)
    text: TextEncoder = field(repr=False)
    prompt: str = ""
    guidance: float = 1.0

    def __call__(self, x: Tensor, timestep: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """(B, C, H, W) and (B,) timesteps → a tuple of one, (B, C, H, W).

        With guidance the network computes every row twice, in one call.
        """
        with_prompt = self._embedding(self.prompt, x)
        if self.guidance == 1:
            return (self._call(x, timestep, with_prompt),)
        embeddings = torch.cat([self._embedding("", x), with_prompt])
        both = self._call(torch.cat([x, x]), torch.cat([timestep, timestep]), embeddings)
        eps_u, eps_c = both.chunk(2)
        return (eps_u + self.guidance * (eps_c - eps_u),)

    def _embedding(self, prompt: str, x: Tensor) -> Tensor:
        return self.text.embed(prompt).to(x.dtype).expand(len(x), -1, -1)

    def _call(self, x: Tensor, timestep: Tensor, embeddings: Tensor) -> Tensor:
        return self.unet(x, timestep, encoder_hidden_states=embeddings, return_dict=False)[0]
