"""The echo backend: deterministic, honest about usage, and quick to end."""

import math
from collections.abc import Iterator
from typing import Any

import pytest

from inference.backends.echo import EchoBackend
from inference.errors import Cancelled, EngineClosed, InputRejected, ModelLoadFailed
from inference.tokenization import EchoCounter, counter_for
from inference.types import (
    ChatRequest,
    ChatResult,
    EmbeddingRequest,
    EmbeddingResult,
    FinishReason,
    Modality,
    RerankRequest,
    RerankResult,
    SamplingParams,
    Usage,
)
from tests.unit.inference.listeners import RecordingListener
from tests.unit.inference.specs import echo_spec

FOR_EVER_S = 3600.0  # longer than any test


def chat(text: str = "one two three", **sampling: Any) -> ChatRequest:
    return ChatRequest(
        request_id="r1",
        model="echo-chat",
        messages=({"role": "system", "content": "be kind"}, {"role": "user", "content": text}),
        sampling=SamplingParams(**{"max_tokens": 50, **sampling}),
    )


@pytest.fixture
def backend() -> Iterator[EchoBackend]:
    found = EchoBackend(echo_spec())
    found.load()
    yield found
    found.close(timeout_s=5)


@pytest.fixture
def slow() -> Iterator[EchoBackend]:
    found = EchoBackend(echo_spec(options={"step_seconds": FOR_EVER_S}))
    found.load()
    yield found
    found.close(timeout_s=5)


@pytest.fixture
def embedder() -> Iterator[EchoBackend]:
    found = EchoBackend(echo_spec(modality=Modality.EMBEDDING, options={"width": 8}))
    found.load()
    yield found
    found.close(timeout_s=5)


@pytest.fixture
def reranker() -> Iterator[EchoBackend]:
    found = EchoBackend(echo_spec(modality=Modality.RERANK, context_tokens=10))
    found.load()
    yield found
    found.close(timeout_s=5)


def run(
    backend: EchoBackend, request: ChatRequest | EmbeddingRequest | RerankRequest
) -> RecordingListener:
    listener = RecordingListener()
    backend.submit(request, listener)
    listener.wait()
    return listener


class TestChat:
    def test_says_the_last_user_message(self, backend: EchoBackend) -> None:
        listener = run(backend, chat())

        assert listener.outcomes == [
            ChatResult(
                text="echo: one two three",
                finish_reason=FinishReason.STOP,
                usage=Usage(prompt_tokens=5, completion_tokens=4),
            )
        ]
        assert listener.deltas == ["echo:", " one", " two", " three"]
        assert listener.counts == [1, 2, 3, 4]

    @pytest.mark.parametrize(
        ("sampling", "text", "reason", "tokens"),
        [
            ({"max_tokens": 2}, "echo: one", FinishReason.LENGTH, 2),
            ({"max_tokens": 4}, "echo: one two three", FinishReason.STOP, 4),
            ({"stop": ("two",)}, "echo: one ", FinishReason.STOP, 3),
            ({"stop": ("e t",)}, "echo: on", FinishReason.STOP, 3),
            ({"stop": ("echo",)}, "", FinishReason.STOP, 1),
            ({"stop": ("threex",)}, "echo: one two three", FinishReason.STOP, 4),
            ({"min_tokens": 6}, "echo: one two three echo: one two three", FinishReason.STOP, 8),
        ],
    )
    def test_honours_limits_and_stops(
        self,
        backend: EchoBackend,
        sampling: dict[str, Any],
        text: str,
        reason: FinishReason,
        tokens: int,
    ) -> None:
        listener = run(backend, chat(**sampling))

        outcome = listener.outcomes[0]
        assert isinstance(outcome, ChatResult)
        assert (outcome.text, outcome.finish_reason) == (text, reason)
        assert outcome.usage.completion_tokens == tokens
        assert listener.text == text

    def test_counts_what_the_counter_counts(self, backend: EchoBackend) -> None:
        request = chat("  spaced   out ")

        listener = run(backend, request)

        counter = counter_for(echo_spec())
        assert isinstance(counter, EchoCounter)
        assert listener.usages[0].prompt_tokens == counter.count_chat(request.messages)

    def test_refuses_more_than_its_context(self, backend: EchoBackend) -> None:
        listener = run(backend, chat("word " * 1000))

        assert isinstance(listener.outcomes[0], InputRejected)

    def test_runs_hundreds_at_once(self, backend: EchoBackend) -> None:
        listeners = [RecordingListener() for _ in range(300)]

        for listener in listeners:
            backend.submit(chat(), listener)

        assert {type(listener.wait()) for listener in listeners} == {ChatResult}
        assert backend.running() == 0

    def test_a_listener_that_fails_stops_no_other(self, backend: EchoBackend) -> None:
        class Broken(RecordingListener):
            def on_delta(self, text: str, *, completion_tokens: int, logprobs: Any = ()) -> None:
                raise RuntimeError("broken")

        broken = Broken()
        backend.submit(chat(), broken)

        assert isinstance(run(backend, chat()).outcomes[0], ChatResult)
        assert isinstance(broken.wait(), Cancelled)


class TestEnd:
    def test_cancel_ends_it_at_once(self, slow: EchoBackend) -> None:
        listener = RecordingListener()
        handle = slow.submit(chat(), listener)

        handle.cancel()
        handle.cancel()

        assert isinstance(listener.wait(1), Cancelled)
        assert len(listener.outcomes) == 1
        assert slow.running() == 0

    def test_close_ends_what_runs(self, slow: EchoBackend) -> None:
        listener = RecordingListener()
        slow.submit(chat(), listener)

        slow.close(timeout_s=5)

        assert isinstance(listener.wait(1), EngineClosed)

    def test_after_close_it_refuses(self, backend: EchoBackend) -> None:
        backend.close(timeout_s=5)

        assert isinstance(run(backend, chat()).outcomes[0], EngineClosed)

    def test_a_load_can_be_made_to_fail(self) -> None:
        with pytest.raises(ModelLoadFailed, match="could not be loaded"):
            EchoBackend(echo_spec(options={"fail_load": True})).load()


class TestEmbedding:
    def test_is_deterministic_and_of_length_one(self, embedder: EchoBackend) -> None:
        request = EmbeddingRequest(request_id="r", model="m", inputs=("a b", "c", "a b", (1, 2)))

        outcome = run(embedder, request).outcomes[0]

        assert isinstance(outcome, EmbeddingResult)
        first, second, third, fourth = outcome.vectors
        assert first == third
        assert first != second
        assert second != fourth
        assert math.isclose(sum(x * x for x in first), 1.0, rel_tol=1e-5)
        assert [len(vector) for vector in outcome.vectors] == [8] * 4
        assert outcome.usage == Usage(prompt_tokens=7)

    def test_keeps_as_many_dimensions_as_asked(self, embedder: EchoBackend) -> None:
        request = EmbeddingRequest(request_id="r", model="m", inputs=("a",), dimensions=3)

        outcome = run(embedder, request).outcomes[0]

        assert isinstance(outcome, EmbeddingResult)
        assert len(outcome.vectors[0]) == 3

    def test_names_the_input_that_is_wrong(self, embedder: EchoBackend) -> None:
        request = EmbeddingRequest(request_id="r", model="m", inputs=("a", ""))

        outcome = run(embedder, request).outcomes[0]

        assert isinstance(outcome, InputRejected)
        assert outcome.field == "input[1]"

    def test_refuses_a_chat(self, embedder: EchoBackend) -> None:
        assert isinstance(run(embedder, chat()).outcomes[0], InputRejected)


class TestReranking:
    def test_scores_by_the_words_of_the_query(self, reranker: EchoBackend) -> None:
        request = RerankRequest(
            request_id="r", model="m", query="a b", documents=("b x A", "c", "b " * 20)
        )

        assert run(reranker, request).outcomes == [
            RerankResult(scores=(1.0, 0.0, 0.5), usage=Usage(prompt_tokens=(2 + 3) + (2 + 1) + 10))
        ]

    @pytest.mark.parametrize("query", ["", "a " * 6])
    def test_refuses_a_query_that_is_empty_or_too_long(
        self, reranker: EchoBackend, query: str
    ) -> None:
        request = RerankRequest(request_id="r", model="m", query=query, documents=("a",))

        outcome = run(reranker, request).outcomes[0]

        assert isinstance(outcome, InputRejected)
        assert outcome.field == "query"

    def test_refuses_a_chat(self, reranker: EchoBackend) -> None:
        assert isinstance(run(reranker, chat()).outcomes[0], InputRejected)
