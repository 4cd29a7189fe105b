"""A grammar that cannot go on ends its own answer, and nobody else's."""

from pathlib import Path
from typing import Any

import pytest
import torch

from inference import structured
from inference.backends import constraints
from inference.backends.chats import Chat, Shape
from inference.backends.constraints import Compiler, Constraint
from inference.backends.sampling import RequestSampler
from inference.errors import GenerationFailed, InputRejected
from inference.prompt_tokenizer import PromptTokenizer
from inference.types import ChatRequest, ChatResult, SamplingParams
from tests.integration.inference.test_sampling import row
from tests.unit.inference.listeners import RecordingListener

VOCABULARY = 512  # more than the tokenizer has, as padded models do


@pytest.fixture(scope="module")
def tokenizer(chat_checkpoint: Path) -> PromptTokenizer:
    return PromptTokenizer(chat_checkpoint, template_options={})


@pytest.fixture(scope="module")
def end_id(tokenizer: PromptTokenizer) -> int:
    assert tokenizer.end_of_text_id is not None
    return tokenizer.end_of_text_id


@pytest.fixture(scope="module")
def compiler(tokenizer: PromptTokenizer, end_id: int) -> Compiler:
    return Compiler(tokenizer, vocabulary=VOCABULARY, end_ids=[end_id])


def number(compiler: Compiler) -> Constraint:
    return compiler.constraint(structured.grammar({"type": "integer", "minimum": 10}))


def ids(tokenizer: PromptTokenizer, text: str) -> list[int]:
    return [int(one) for one in tokenizer.raw.encode(text, add_special_tokens=False).ids]


def chosen(rows: list[Any], end_id: int) -> list[int]:
    sampler = RequestSampler(end_ids=[end_id], on_step=lambda: None)
    argument = sampler.prepare_tensor_args(rows)
    scores = sampler(torch.zeros(len(rows), VOCABULARY), argument)
    return [int(one) for one in scores.argmax(-1)]


def test_only_what_the_grammar_takes_is_allowed(
    compiler: Compiler, tokenizer: PromptTokenizer, end_id: int
) -> None:
    constraint = number(compiler)
    constraint.follow(ids(tokenizer, "1"))

    (allowed,) = constraints.allowed([constraint], vocabulary=VOCABULARY, device="cpu")

    texts = {tokenizer.raw.decode([int(one)]) for one in allowed.nonzero()}
    assert {"0", "9"} <= texts
    assert not texts & {"a", " ", "{"}
    assert not allowed[end_id]


def test_a_constraint_that_failed_ends_the_answer_alone(
    compiler: Compiler, tokenizer: PromptTokenizer, end_id: int
) -> None:
    wrong = ids(tokenizer, "x")
    failed, fine = number(compiler), number(compiler)

    ends = chosen(
        [row(wrong, constraint=failed, min_tokens=5), row(constraint=fine, min_tokens=5)], end_id
    )

    assert failed.has_failed
    assert not fine.has_failed
    assert ends[0] == end_id
    assert ends[1] != end_id


def test_an_answer_whose_grammar_failed_is_an_error(
    compiler: Compiler, tokenizer: PromptTokenizer, end_id: int
) -> None:
    failed = number(compiler)
    failed.follow(ids(tokenizer, "x"))
    chat = Chat(
        ChatRequest(
            request_id="r", model="m", messages=(), sampling=SamplingParams(max_tokens=5)
        ),
        RecordingListener(),
        prompt_ids=[1],
        tokenizer=tokenizer.raw,
        on_cancel=lambda _: None,
        shape=Shape(constraint=failed),
    )  # fmt: skip

    outcome = chat.take([end_id], end_ids=[end_id], is_last=True)

    assert isinstance(outcome, GenerationFailed)
    assert not isinstance(outcome, ChatResult)


def test_a_grammar_is_compiled_once(compiler: Compiler) -> None:
    first, second = number(compiler), number(compiler)

    assert first is not second
    assert len([one for one in compiler._compiled if "integer" in one]) == 1


def test_what_cannot_be_compiled_is_refused(compiler: Compiler) -> None:
    with pytest.raises(InputRejected):
        compiler.constraint(structured.grammar({"not": {}}))
