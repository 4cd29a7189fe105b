"""How large the key-value cache of a chat model is: the budget that requests are admitted under."""

from typing import Any

import torch

from inference.batching import Budget
from inference.errors import OutOfMemory
from inference.specs import ModelSpec

PAGE_TOKENS = 32  # small pages waste little on short chats; the manager's default is 256

_GIB = 1024**3
_CPU_CACHE_GIB = 2.0  # leaves a laptop its memory; option cache_gib raises it
_CUDA_SHARE = 0.8  # of the memory that is free after loading; the rest is for activations
_CPU_BATCH_TOKENS = 512
_CUDA_BATCH_TOKENS = 2048


def budget_for(spec: ModelSpec, model: Any) -> Budget:
    """Return how many requests and cache tokens a loaded model may hold at once.

    Raises:
        OutOfMemory: the cache would not hold even one request of full length.
    """
    one = -(-spec.context_tokens // PAGE_TOKENS) * PAGE_TOKENS  # whole pages
    per_token = _bytes_per_token(model, batch_tokens(spec, model))
    tokens = min(spec.max_batch * one, int(_bytes(spec, model) // per_token))
    tokens -= tokens % PAGE_TOKENS
    if tokens < one:
        raise OutOfMemory(
            f"The cache of model {spec.id} holds {tokens} tokens, less than its context of "
            f"{spec.context_tokens}: raise option cache_gib or lower context_tokens."
        )
    return Budget(slots=spec.max_batch, tokens=tokens, page_tokens=PAGE_TOKENS)


def batch_tokens(spec: ModelSpec, model: Any) -> int:
    """Return how many tokens one forward pass takes; a longer prompt is read in several passes."""
    usual = _CUDA_BATCH_TOKENS if model.device.type == "cuda" else _CPU_BATCH_TOKENS
    return max(int(spec.options.get("max_batch_tokens", usual)), spec.max_batch)


def _bytes_per_token(model: Any, batch: int) -> int:
    """Return what one token of cache costs, with the buffers that grow with the cache."""
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    shared = getattr(config, "num_key_value_heads", None) or heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    stored = 2 * config.num_hidden_layers * shared * width
    read = (2 * heads + shared) * width  # one layer's keys and values, repeated for each head
    return int((stored + read + batch) * model.dtype.itemsize)  # batch: a column of the mask


def _bytes(spec: ModelSpec, model: Any) -> float:
    if "cache_gib" in spec.options:
        return float(spec.options["cache_gib"]) * _GIB
    if model.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(model.device)
        return float(free) * _CUDA_SHARE
    return _CPU_CACHE_GIB * _GIB
