"""Journey: OpenAI's own client with nothing changed but its base URL and its key."""

import asyncio
from collections.abc import Callable, Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.acceptance.callers import Caller

MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "hello from the client"},
]


@pytest.fixture
def client(caller: Caller) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{caller.system.base_url}/v1", api_key=caller.key) as made:
        yield made


def test_chat(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="echo", messages=MESSAGES)
    assert completion.id.startswith("chatcmpl-")
    assert completion.choices[0].message.content == "echo: hello from the client"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 11


def test_stream_with_usage(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="echo",
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
    )
    with stream:
        chunks = list(stream)
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == "echo: hello from the client"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 11


def test_the_streaming_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="echo", messages=MESSAGES) as stream:
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == "echo: hello from the client"


def test_embeddings_as_floats_and_in_its_default_base64(client: openai.OpenAI) -> None:
    floats = client.embeddings.create(
        model="echo-embedding", input=["a b", "c"], encoding_format="float"
    )
    default = client.embeddings.create(model="echo-embedding", input=["a b", "c"])
    assert len(default.data[0].embedding) == 64
    for one, other in zip(floats.data, default.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)
    assert default.usage.total_tokens == 3


def test_models(client: openai.OpenAI) -> None:
    assert "echo" in {model.id for model in client.models.list()}
    assert client.models.retrieve("parrot").id == "echo"


def test_errors_become_the_clients_exceptions(
    client: openai.OpenAI, caller: Caller, new_caller: Callable[..., Caller]
) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="echo", messages=[])
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-genie-nobody-000000000000000000000000").models.list()
    narrow = new_caller("--models", "echo-embedding", slug=caller.slug)
    with pytest.raises(openai.PermissionDeniedError):
        client.with_options(api_key=narrow.key).chat.completions.create(
            model="echo",
            messages=MESSAGES,
        )
    broken = client.with_options(max_retries=0)
    with pytest.raises(openai.InternalServerError):
        broken.chat.completions.create(model="echo-broken", messages=MESSAGES)


def test_rate_limits_and_caps_are_statuses_it_knows(new_caller: Callable[..., Caller]) -> None:
    limited = new_caller("--rpm", "1")
    with openai.OpenAI(
        base_url=f"{limited.system.base_url}/v1", api_key=limited.key, max_retries=0
    ) as client:
        client.models.list()
        with pytest.raises(openai.RateLimitError):
            client.models.list()

    poor = new_caller()
    poor.system.manage(
        *("set_cap", "--org", poor.slug, "--layer", "org", "--window", "daily", "--credits", "0")
    )
    with (
        openai.OpenAI(base_url=f"{poor.system.base_url}/v1", api_key=poor.key) as client,
        pytest.raises(openai.APIStatusError) as refused,
    ):
        client.chat.completions.create(model="echo", messages=MESSAGES)
    assert refused.value.status_code == 402


def test_a_stream_that_fails_raises(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="echo-broken",
        messages=MESSAGES,
        stream=True,
    )
    with stream, pytest.raises(openai.APIError):
        list(stream)


def test_the_async_client(caller: Caller) -> None:
    async def talk() -> tuple[str, str]:
        base_url = f"{caller.system.base_url}/v1"
        async with openai.AsyncOpenAI(base_url=base_url, api_key=caller.key) as client:
            whole = await client.chat.completions.create(model="echo", messages=MESSAGES)
            stream = await client.chat.completions.create(
                model="echo",
                messages=MESSAGES,
                stream=True,
            )
            async with stream:
                parts = [c.choices[0].delta.content or "" async for c in stream if c.choices]
        return whole.choices[0].message.content or "", "".join(parts)

    assert asyncio.run(talk()) == ("echo: hello from the client",) * 2
