"""What is let in, and how much is held, where no tokenizer tells how long a prompt is."""

import asyncio
from typing import Any

import pytest

from genie.core.errors import InvalidRequest
from inference.types import Modality
from jobs.intake import bodies, chatting
from jobs.intake import completion as completions
from jobs.intake import embedding as embeddings
from jobs.intake.bodies import ChatBody, EmbeddingsBody
from jobs.intake.submit import Work
from tests.unit.inference.specs import echo_spec

CONTEXT = 4000
LONG = "word " * 600  # about 600 tokens, and a bound of over 9000


def chat(content: str, **fields: Any) -> Work:
    spec = echo_spec(
        backend="openai", source="http://far/v1", context_tokens=CONTEXT,
        max_output_tokens=CONTEXT, default_max_tokens=3000,
    )  # fmt: skip
    messages = [{"role": "user", "content": content}]
    body = ChatBody.model_validate({"model": "m", "messages": messages, **fields})
    return asyncio.run(chatting.chat_work(body, spec))


def completion(prompt: str, **fields: Any) -> Work:
    spec = echo_spec(
        backend="openai", source="http://far/v1", context_tokens=CONTEXT,
        max_output_tokens=CONTEXT, capabilities=("completions",),
    )  # fmt: skip
    body = bodies.parse(bodies.CompletionBody, {"model": "m", "prompt": prompt, **fields})
    return asyncio.run(completions.completion_work(body, spec))


def embedding(*texts: str) -> Work:
    spec = echo_spec(
        modality=Modality.EMBEDDING,
        backend="openai",
        source="http://far/v1",
        context_tokens=CONTEXT,
    )
    body = EmbeddingsBody.model_validate({"model": "m", "input": list(texts)})
    return asyncio.run(embeddings.embedding_work(body, spec))


class TestChat:
    def test_holds_the_bound_where_it_fits(self) -> None:
        work = chat("Hi", max_tokens=100)

        assert 0 < work.prompt_tokens < CONTEXT - 100
        assert work.completion_tokens == 100

    def test_is_let_in_though_the_bound_does_not_fit(self) -> None:
        work = chat(LONG, max_tokens=100)

        assert (work.prompt_tokens, work.completion_tokens) == (CONTEXT - 100, 100)

    def test_leaves_a_prompt_half_the_context(self) -> None:
        work = chat(LONG)

        assert (work.prompt_tokens, work.completion_tokens) == (CONTEXT // 2, CONTEXT // 2)

    def test_keeps_the_limit_that_was_asked_for(self) -> None:
        work = chat(LONG, max_tokens=CONTEXT)

        assert (work.prompt_tokens, work.completion_tokens) == (1, CONTEXT)

    def test_cannot_ask_for_more_than_the_model_makes(self) -> None:
        with pytest.raises(InvalidRequest):
            chat(LONG, max_tokens=CONTEXT + 1)


class TestCompletions:
    def test_hold_the_bound_where_it_fits(self) -> None:
        assert 0 < completion("Hi", max_tokens=100).prompt_tokens < 100

    def test_are_let_in_though_the_bound_does_not_fit(self) -> None:
        work = completion(LONG, max_tokens=100)

        assert (work.prompt_tokens, work.completion_tokens) == (CONTEXT - 100, 100)


class TestEmbeddings:
    def test_hold_the_bound_where_it_fits(self) -> None:
        assert 0 < embedding("Hi").prompt_tokens < 100

    def test_hold_no_more_than_the_model_reads(self) -> None:
        assert embedding(LONG, LONG).prompt_tokens == 2 * CONTEXT
