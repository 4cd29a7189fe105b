"""What the options of our own backends may be: told when the file is read, not when a model is loaded.

Those of backend ``openai`` are in ``inference.upstreams``; ``echo`` has only what tests use.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from inference.specs import ModelSpec
from inference.toolcalls import CallForm

_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
_DTYPES = ("auto", "float32", "bfloat16", "float16")
_Judge = Callable[[Any], bool]


def problems(spec: ModelSpec) -> Iterator[str]:
    """Yield one sentence for each mistake in the options of an entry."""
    known = _KNOWN.get(spec.backend)
    for key, value in spec.options.items() if known is not None else ():
        if known is None or key not in known:
            yield f"options.{key} is not a known option of backend {spec.backend}."
            continue
        is_right, must = known[key]
        if not is_right(value):
            yield f"options.{key} is {value!r}; it must be {must}."


def _among(*names: str) -> tuple[_Judge, str]:
    return (lambda value: value in names), f"one of {', '.join(names)}"


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_positive(value: Any) -> bool:
    return type(value) in {int, float} and 0 < value < float("inf")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


_COUNT = (_is_count, "a whole number of at least 1")
_TEXT = (_is_text, "a text in quotes")
_FLAG = ((lambda value: isinstance(value, bool)), "true or false")
_TABLE = ((lambda value: isinstance(value, dict)), "a table")
_ANY_BACKEND: Mapping[str, tuple[_Judge, str]] = {
    "device": (
        lambda value: isinstance(value, str) and bool(_DEVICE.fullmatch(value)),
        "auto, cpu, cuda or cuda:1",
    ),
    "dtype": _among(*_DTYPES),
    "torch_threads": _COUNT,
}
_KNOWN: Mapping[str, Mapping[str, tuple[_Judge, str]]] = {
    "transformers": {
        **_ANY_BACKEND,
        "attn": _TEXT,  # transformers knows more of them with every version
        "cache_gib": (_is_positive, "a number above 0"),
        "max_batch_tokens": _COUNT,
        "max_batch_windows": _COUNT,
        "share_prefixes": _FLAG,
        "tool_calls": _among(*CallForm),
        "template": _TABLE,
    },
    "diffusers": {
        **_ANY_BACKEND,
        "vae_dtype": _among(*_DTYPES),
        "vae_tiling": _FLAG,
        "offload": _among("none", "model", "layers"),
        "variant": _TEXT,
        "arguments": _TABLE,
        "pictures_at_once": _COUNT,
        "transitions": _TEXT,
        "transitions_revision": _TEXT,
    },
}
