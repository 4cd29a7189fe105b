"""What a call is in the words of its contract: the path and the body; pure."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.chaos.plan import Call

MAX_TOKENS = 48  # longer than any call's text


def request(call: Call) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a call."""
    return _BODIES[call.facade, call.kind](call)


def _chat(call: Call, **more: Any) -> dict[str, Any]:
    return {
        "model": call.model,
        "messages": [{"role": "user", "content": call.text}],
        "max_tokens": MAX_TOKENS,
        **more,
    }


def _genie_chat(call: Call) -> tuple[str, dict[str, Any]]:
    return "/v1/chat/completions", _chat(call, mode=call.mode)


def _openai_chat(call: Call) -> tuple[str, dict[str, Any]]:
    return "/openai/v1/chat/completions", _chat(call, stream=call.mode == "stream")


_PICTURE = {"size": "256x256"}
_BODIES: Mapping[tuple[str, str], Callable[[Call], tuple[str, dict[str, Any]]]] = {
    ("genie", "chat"): _genie_chat,
    ("openai", "chat"): _openai_chat,
    ("bifrost", "chat"): lambda call: ("/v1/async/chat/completions", _chat(call)),
    ("inference_net", "chat"): lambda call: ("/v1/slow/chat/completions", _chat(call)),
    ("genie", "embedding"): lambda call: (
        "/v1/embeddings",
        {"model": call.model, "input": call.text, "mode": call.mode},
    ),
    ("genie", "image"): lambda call: (
        "/v1/images/generations",
        {"model": call.model, "prompt": call.text, "mode": call.mode, **_PICTURE},
    ),
    ("oxen", "image"): lambda call: (
        "/api/ai/queue",
        {"model": call.model, "prompt": call.text, "image_size": {"width": 256, "height": 256}},
    ),
}
