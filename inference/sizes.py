"""How much memory a model will need, from its files alone: safetensors headers and config.json.

An upper bound is not needed, and not promised: what a model really takes is measured once it has been
loaded, and counts from then on.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inference import files
from inference.specs import ModelSpec
from inference.types import Modality

logger = logging.getLogger(__name__)

GIB = 1024**3
CPU_CACHE_GIB = 2.0  # a chat model's key-value cache, unless option cache_gib says otherwise
CPU_BATCH_TOKENS = 512
CUDA_BATCH_TOKENS = 2048
_FLOATS = {"F64", "F32", "F16", "BF16"}  # converted to the number format of the model when loaded
_BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}  # the rest say their bits in their name
_ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def estimate_bytes(spec: ModelSpec, *, on_cuda: bool) -> int:
    """Return about how many bytes a model takes in memory; 0 if its files are not here to tell."""
    directory = files.directory_of(spec)
    if directory is None:
        return 0
    item = _item_bytes(spec, on_cuda=on_cuda)
    try:
        weights = sum(_weights(path, item) for path in files.weights_in(directory))
        cache = _cache(spec, directory, item, on_cuda=on_cuda)
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("the size of model %s is not known: %s", spec.id, type(error).__name__)
        return 0
    return weights + cache


def echo_bytes(spec: ModelSpec) -> int:
    """Return what an echo model says that it needs: option memory_bytes."""
    return int(spec.options.get("memory_bytes", 0))


def batch_tokens(spec: ModelSpec, *, on_cuda: bool) -> int:
    """Return how many tokens a chat model's forward pass takes; a longer prompt takes several."""
    usual = CUDA_BATCH_TOKENS if on_cuda else CPU_BATCH_TOKENS
    return max(int(spec.options.get("max_batch_tokens", usual)), spec.max_batch)


def cache_bytes_per_token(
    *, layers: int, heads: int, shared_heads: int, width: int, batch_tokens: int, item_bytes: int
) -> int:
    """Return what one token of a key-value cache costs, with the buffers that grow with the cache.

    Args:
        layers: Of the model.
        heads: Of attention.
        shared_heads: Heads of keys and values; as many as `heads` where they are not shared.
        width: Numbers of one head.
        batch_tokens: Of a forward pass: each has a column of the mask.
        item_bytes: Of one number.
    """
    stored = 2 * layers * shared_heads * width
    read = (2 * heads + shared_heads) * width  # one layer's keys and values, repeated for each head
    return (stored + read + batch_tokens) * item_bytes


def in_words(size_bytes: float) -> str:
    """Return a size for people.

    >>> in_words(12 * 2**30), in_words(3_500_000), in_words(90)
    ('12.0 GiB', '3.3 MiB', '90 bytes')
    """
    for unit, size in (("GiB", GIB), ("MiB", 2**20)):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes:.0f} bytes"


def _item_bytes(spec: ModelSpec, *, on_cuda: bool) -> int:
    named = str(spec.options.get("dtype", "auto"))
    device = str(spec.options.get("device", "auto"))
    is_cuda = on_cuda if device == "auto" else device.startswith("cuda")
    return _ITEM_BYTES.get(named, 2 if is_cuda else 4)


def _weights(path: Path, item_bytes: int) -> int:
    return sum(
        elements * (8 * item_bytes if dtype in _FLOATS else _bits(dtype)) // 8
        for dtype, elements in _tensors(path)
    )


def _tensors(path: Path) -> Iterator[tuple[str, int]]:
    for name, tensor in files.header_of(path).items():
        if name != "__metadata__":
            elements = 1
            for length in tensor["shape"]:
                elements *= int(length)
            yield str(tensor["dtype"]), elements


def _bits(dtype: str) -> int:
    if dtype in _BITS:
        return _BITS[dtype]
    digits = "".join(ch for ch in dtype.partition("_")[0] if ch.isdigit())
    return int(digits or 8)  # I64, U8, F8_E4M3


def _cache(spec: ModelSpec, directory: Path, item_bytes: int, *, on_cuda: bool) -> int:
    """Return the key-value cache of a chat model.

    On CUDA it takes what is free, so no more is asked for than one request of full length needs.
    """
    if spec.modality is not Modality.CHAT or not (directory / "config.json").is_file():
        return 0
    config = json.loads((directory / "config.json").read_text("utf-8"))
    text = config.get("text_config", config)
    per_token = _bytes_per_token(spec, text, item_bytes, on_cuda=on_cuda)
    if "cache_gib" in spec.options:
        most = float(spec.options["cache_gib"]) * GIB
    elif on_cuda:
        most = float(spec.context_tokens * per_token)
    else:
        most = CPU_CACHE_GIB * GIB
    return int(min(most, spec.max_batch * spec.context_tokens * per_token))


def _bytes_per_token(
    spec: ModelSpec, config: dict[str, Any], item_bytes: int, *, on_cuda: bool
) -> int:
    heads = int(config["num_attention_heads"])
    return cache_bytes_per_token(
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        shared_heads=int(config.get("num_key_value_heads") or heads),
        width=int(config.get("head_dim") or int(config["hidden_size"]) // heads),
        batch_tokens=batch_tokens(spec, on_cuda=on_cuda),
        item_bytes=item_bytes,
    )
