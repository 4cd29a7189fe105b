"""Log-probabilities against a forward pass of the model, and their places in the text."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from inference.backends.transformers import ChatBackend
from inference.errors import InputRejected
from inference.types import ChatRequest, ChatResult, SamplingParams
from tests.integration.inference import builders
from tests.unit.inference.listeners import RecordingListener


@pytest.fixture(scope="module")
def backend(chat_checkpoint: Path) -> Iterator[ChatBackend]:
    made = ChatBackend(builders.chat_spec(chat_checkpoint, capabilities=("logprobs",)))
    made.load()
    yield made
    made.close(timeout_s=10)


def ask(backend: ChatBackend, **sampling: Any) -> tuple[ChatResult, RecordingListener]:
    listener = RecordingListener()
    request = ChatRequest(
        request_id="r",
        model="tiny",
        messages=({"role": "user", "content": "hello"},),
        sampling=SamplingParams(**{"max_tokens": 24, "temperature": 0.0, **sampling}),
    )
    backend.submit(request, listener)
    outcome = listener.wait()
    assert isinstance(outcome, ChatResult), outcome
    return outcome, listener


def test_are_those_of_the_model(backend: ChatBackend, chat_checkpoint: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(chat_checkpoint)
    tokenizer = transformers.AutoTokenizer.from_pretrained(chat_checkpoint)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hello"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )  # fmt: skip

    answer, _ = ask(backend, logprobs=3, presence_penalty=1.0, temperature=0.7, seed=4)

    with torch.no_grad():
        expected = model(**prompt).logits[0, -1].log_softmax(-1).topk(3)
    first = answer.logprobs[0]
    assert [one.logprob for one in first.top] == pytest.approx(expected.values.tolist(), abs=1e-4)
    assert [one.token for one in first.top] == [tokenizer.decode([i]) for i in expected.indices]
    assert all(token.chosen.logprob <= token.top[0].logprob for token in answer.logprobs)


@pytest.mark.parametrize("seed", range(6))
def test_spell_the_text_and_end_where_it_is_told(backend: ChatBackend, seed: int) -> None:
    answer, listener = ask(backend, logprobs=0, temperature=1.5, seed=seed)

    spelled = b"".join(token.chosen.raw for token in answer.logprobs)
    assert spelled.decode(errors="replace").startswith(answer.text.rstrip("\ufffd"))
    ends = [token.end for token in answer.logprobs]
    assert ends == sorted(ends)
    assert listener.logprobs == list(answer.logprobs)
    assert all(token.top == () and math.isfinite(token.chosen.logprob) for token in answer.logprobs)


def test_stop_strings_cut_tokens_off(backend: ChatBackend) -> None:
    whole, _ = ask(backend, logprobs=0)
    stop = whole.text[4:7]

    cut, _ = ask(backend, logprobs=0, stop=(stop,))

    assert cut.text == whole.text[: whole.text.index(stop)]
    assert all(token.end <= len(cut.text) for token in cut.logprobs)


def test_do_not_change_the_answer(backend: ChatBackend) -> None:
    assert ask(backend, logprobs=5)[0].text == ask(backend)[0].text
    assert ask(backend)[0].logprobs == ()


def test_a_model_without_the_capability_refuses(chat_backend: ChatBackend) -> None:
    listener = RecordingListener()
    chat_backend.submit(
        ChatRequest(
            request_id="r",
            model="tiny",
            messages=({"role": "user", "content": "hi"},),
            sampling=SamplingParams(max_tokens=3, logprobs=1),
        ),
        listener,
    )

    assert isinstance(listener.wait(), InputRejected)
