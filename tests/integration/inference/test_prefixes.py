"""Option share_prefixes: what two prompts begin with is read once, and answers stay the same."""

from pathlib import Path
from typing import Any

import pytest
from transformers.generation.continuous_batching.cache import PagedAttentionCache

from inference.backends.transformers import ChatBackend
from inference.types import ChatRequest, ChatResult, SamplingParams
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener

SYSTEM = "You count animals. " * 12  # longer than some pages of the cache


def ask(backend: ChatBackend, text: str) -> ChatResult:
    listener = RecordingListener()
    request = ChatRequest(
        request_id="r",
        model="tiny",
        messages=({"role": "system", "content": SYSTEM}, {"role": "user", "content": text}),
        sampling=SamplingParams(max_tokens=16, temperature=0.8, seed=3),
    )
    backend.submit(request, listener)
    outcome = listener.wait()
    assert isinstance(outcome, ChatResult), outcome
    return outcome


@pytest.mark.parametrize("shared", [False, True])
def test_a_shared_beginning_is_read_once_where_that_is_wanted(
    chat_checkpoint: Path,
    chat_backend: ChatBackend,
    monkeypatch: pytest.MonkeyPatch,
    *,
    shared: bool,
) -> None:
    matched: list[int] = []
    search = PagedAttentionCache.search_prefix_match

    def watched(*arguments: Any) -> int:
        matched.append(search(*arguments))
        return matched[-1]

    monkeypatch.setattr(PagedAttentionCache, "search_prefix_match", watched)
    options = {"device": "cpu", "share_prefixes": shared}
    backend = ChatBackend(builders.chat_spec(chat_checkpoint, options=options))
    backend.load()
    texts = ["one dog", "two cats"]

    answers = [ask(backend, text) for text in texts]
    backend.close(timeout_s=10)

    assert (max(matched, default=0) > 100) is shared
    assert answers == [ask(chat_backend, text) for text in texts]
