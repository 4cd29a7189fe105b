"""The backend against a server that is not ours: `transformers serve` with the tiny chat model.

It has habits of its own: it lists no model that lies in a directory, ends its streams without
[DONE], tells the usage with the last piece, and refuses whole requests for a field it does not know.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.import_utils import is_serve_available

from inference import registry, scripts
from inference.backends.openai import OpenAIBackend
from inference.errors import Cancelled, ModelLoadFailed
from inference.types import (
    ChatRequest,
    ChatResult,
    CompletionRequest,
    FinishReason,
    SamplingParams,
    ToolCall,
    ToolUse,
    Usage,
)
from tests.unit.inference.listeners import RecordingListener
from tests.unit.inference.specs import echo_spec

pytestmark = pytest.mark.skipif(
    not is_serve_available(),
    reason="`transformers serve` needs fastapi and starlette, which the extra `dev` installs",
)

CHECKPOINT = Path(registry.__file__).with_name("checkpoints") / "genie-tiny-chat"
PROGRAM = "from transformers.cli.transformers import main; main()"
PROMPT_TOKENS = 9
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather now",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
ANSWER = "Hello! How can I help you?"


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "serve", "--host", "127.0.0.1", "--port", str(port),
         "--device", "cpu", "--dtype", "float32", str(CHECKPOINT)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    drain = threading.Thread(target=process.stderr.read)
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if "Uvicorn running" in line:
                break
        else:
            pytest.fail("".join(said))
        drain.start()
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait(30)
        if drain.ident is not None:
            drain.join()
        process.stderr.close()


def backend_of(url: str, model: str = str(CHECKPOINT)) -> OpenAIBackend:
    return OpenAIBackend(
        echo_spec(
            "far",
            backend="openai",
            source=url,
            options={"model": model, "check": "ask", "tokenizer": str(CHECKPOINT)},
        )
    )


@pytest.fixture(scope="module")
def backend(server_url: str) -> Iterator[OpenAIBackend]:
    found = backend_of(server_url)
    found.load()
    yield found
    found.close(timeout_s=10)


def chat(
    text: str = "Hello", *, max_tokens: int = 50, stop: tuple[str, ...] = (), **fields: Any
) -> ChatRequest:
    return ChatRequest(
        request_id="r1",
        model="far",
        messages=({"role": "user", "content": text},),
        sampling=SamplingParams(max_tokens=max_tokens, stop=stop, temperature=0.0, seed=2**52),
        **fields,
    )


def test_streams_an_answer_with_its_usage(backend: OpenAIBackend) -> None:
    listener = RecordingListener()
    backend.submit(chat(max_tokens=8), listener)

    assert listener.wait() == ChatResult(
        text=ANSWER,
        finish_reason=FinishReason.LENGTH,
        usage=Usage(prompt_tokens=PROMPT_TOKENS, completion_tokens=8),
    )
    assert listener.text == ANSWER
    assert len(listener.deltas) > 1


def test_ends_at_a_stop_string(backend: OpenAIBackend) -> None:
    listener = RecordingListener()
    backend.submit(chat(stop=(" can",)), listener)

    outcome = listener.wait()

    assert isinstance(outcome, ChatResult)
    assert (outcome.text, outcome.finish_reason) == ("Hello! How", FinishReason.STOP)


def test_answers_several_at_once_and_outlives_a_cancel(backend: OpenAIBackend) -> None:
    listeners = [RecordingListener() for _ in range(4)]
    handles = [backend.submit(chat(max_tokens=8), listener) for listener in listeners]

    handles[0].cancel()

    assert isinstance(listeners[0].wait(), Cancelled)
    for listener in listeners[1:]:
        assert isinstance(listener.wait(), ChatResult)
        assert listener.text == ANSWER


def test_goes_on_from_a_text(backend: OpenAIBackend) -> None:
    listener = RecordingListener()
    request = CompletionRequest(
        request_id="r1",
        model="far",
        prompts=("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",),
        sampling=SamplingParams(max_tokens=8, temperature=0.0),
    )
    backend.submit(request, listener)

    assert isinstance(listener.wait(), ChatResult)
    assert listener.text == ANSWER


def test_calls_a_tool(backend: OpenAIBackend) -> None:
    listener = RecordingListener()
    use = ToolUse(tools=(WEATHER,))
    backend.submit(chat("What is the weather in Paris?", max_tokens=60, tool_use=use), listener)

    outcome = listener.wait()

    assert isinstance(outcome, ChatResult)
    assert outcome.finish_reason is FinishReason.TOOL_CALLS
    assert outcome.tool_calls == (ToolCall(name="get_weather", arguments='{"city": "Paris"}'),)
    assert listener.text == scripts.of([(outcome.text, outcome.tool_calls)])


def test_a_model_that_it_does_not_serve_is_a_failed_load(server_url: str) -> None:
    with pytest.raises(ModelLoadFailed, match=r"Model far could not be loaded: .*HTTP 4\d\d"):
        backend_of(server_url, model="someone/else").load()
