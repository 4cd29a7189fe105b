"""How large the key-value cache of a chat model is: the budget that requests are admitted under."""

from typing import Any

from inference import sizes
from inference.backends import devices
from inference.batching import Budget
from inference.errors import OutOfMemory
from inference.specs import ModelSpec

PAGE_TOKENS = 32  # small pages waste little on short chats; the manager's default is 256

_CUDA_SHARE = 0.8  # of the memory that is free after loading; the rest is for activations


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


def size_of(budget: Budget, spec: ModelSpec, model: Any) -> int:
    """Return the bytes of the cache and of the buffers that grow with it."""
    return budget.tokens * _bytes_per_token(model, batch_tokens(spec, model))


def batch_tokens(spec: ModelSpec, model: Any) -> int:
    """Return how many tokens one forward pass takes; a longer prompt is read in several passes."""
    return sizes.batch_tokens(spec, on_cuda=model.device.type == "cuda")


def _bytes_per_token(model: Any, batch: int) -> int:
    """Return what one token of cache costs, with the buffers that grow with the cache."""
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    return sizes.cache_bytes_per_token(
        layers=config.num_hidden_layers,
        heads=heads,
        shared_heads=getattr(config, "num_key_value_heads", None) or heads,
        width=getattr(config, "head_dim", None) or config.hidden_size // heads,
        batch_tokens=batch,
        item_bytes=model.dtype.itemsize,
    )


def _bytes(spec: ModelSpec, model: Any) -> float:
    if "cache_gib" in spec.options:
        return float(spec.options["cache_gib"]) * sizes.GIB
    if model.device.type == "cuda":
        return float(devices.free_bytes(model.device)) * _CUDA_SHARE
    return sizes.CPU_CACHE_GIB * sizes.GIB
