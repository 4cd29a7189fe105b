"""Text completions on a real, tiny model: raw prompts, without a chat template."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from inference.backends.transformers import ChatBackend
from inference.errors import InputRejected
from inference.types import ChatResult, CompletionRequest, SamplingParams
from tests.unit.inference.listeners import RecordingListener

PROMPT = "the quick brown fox"


def start(backend: ChatBackend, prompt: Any, *, echo: bool = False) -> RecordingListener:
    listener = RecordingListener()
    request = CompletionRequest(
        request_id="r",
        model="tiny",
        prompts=(prompt,),
        echo=echo,
        sampling=SamplingParams(max_tokens=12, temperature=0.0),
    )
    backend.submit(request, listener)
    return listener


def complete(backend: ChatBackend, prompt: Any, *, echo: bool = False) -> ChatResult:
    listener = start(backend, prompt, echo=echo)
    outcome = listener.wait()
    assert isinstance(outcome, ChatResult), outcome
    assert outcome.text == listener.text
    return outcome


def test_goes_on_from_the_prompt_alone(chat_backend: ChatBackend, chat_checkpoint: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(chat_checkpoint)
    tokenizer = transformers.AutoTokenizer.from_pretrained(chat_checkpoint)
    prompt = tokenizer(PROMPT, return_tensors="pt")
    with torch.no_grad():
        made = model.generate(**prompt, max_new_tokens=12, do_sample=False)
    size = prompt["input_ids"].shape[1]

    answer = complete(chat_backend, PROMPT)

    assert answer.text == tokenizer.decode(made[0, size:], skip_special_tokens=True)
    assert answer.usage.prompt_tokens == size


def test_token_ids_are_a_prompt_too(chat_backend: ChatBackend, chat_checkpoint: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(chat_checkpoint)
    ids = tuple(tokenizer(PROMPT)["input_ids"])

    assert complete(chat_backend, ids).text == complete(chat_backend, PROMPT).text


def test_echo_begins_with_the_prompt(chat_backend: ChatBackend) -> None:
    plain = complete(chat_backend, PROMPT)
    echoed = complete(chat_backend, PROMPT, echo=True)

    assert echoed.text == PROMPT + plain.text
    assert echoed.usage == plain.usage


@pytest.mark.parametrize("prompt", [(10**6,), "word " * 600])
def test_a_prompt_that_cannot_be_read_is_refused(chat_backend: ChatBackend, prompt: Any) -> None:
    outcome = start(chat_backend, prompt).wait()

    assert isinstance(outcome, InputRejected)
    assert outcome.field == "prompt"
