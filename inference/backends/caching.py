"""How large the key-value cache of a chat model is: the budget that requests are admitted under."""

from typing import Any

import torch

from inference.batching import Budget
from inference.errors import OutOfMemory
from inference.specs import ModelSpec

PAGE_TOKENS = 32  # small pages waste little on short chats; the manager's default is 256

_GIB = 1024**3
_CPU_CACHE_GIB = 2.0  # leaves a laptop its memory; option cache_gib raises it
_CUDA_SHARE = 0.7  # of the memory that is free after loading; the rest is for activations


def budget_for(spec: ModelSpec, model: Any) -> Budget:
    """Return how many requests and cache tokens a loaded model may hold at once.

    Raises:
        OutOfMemory: the cache would not hold even one request of full length.
    """
    wanted = spec.max_batch * spec.context_tokens
    tokens = min(wanted, int(_bytes(spec, model) // bytes_per_token(model)))
    tokens -= tokens % PAGE_TOKENS
    if tokens < min(wanted, spec.context_tokens):
        raise OutOfMemory(
            f"The cache of model {spec.id} holds {tokens} tokens, less than its context of "
            f"{spec.context_tokens}: raise option cache_gib or lower context_tokens."
        )
    return Budget(slots=spec.max_batch, tokens=tokens, page_tokens=PAGE_TOKENS)


def bytes_per_token(model: Any) -> int:
    """Return the cache bytes of one token: a key and a value per layer and key-value head."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)


def _bytes(spec: ModelSpec, model: Any) -> float:
    if "cache_gib" in spec.options:
        return float(spec.options["cache_gib"]) * _GIB
    if model.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(model.device)
        return float(free) * _CUDA_SHARE
    return _CPU_CACHE_GIB * _GIB
