"""OpenAI's own client at ``/openai/v1``: media, typed errors, and answers that its models parse."""

import base64
import io
import re
import wave
from collections.abc import Callable, Iterator

import openai
import pytest

from tests.acceptance.callers import Caller
from tests.acceptance.test_media import sound


@pytest.fixture
def client(caller: Caller) -> Iterator[openai.OpenAI]:
    base_url = f"{caller.system.base_url}/openai/v1"
    with openai.OpenAI(base_url=base_url, api_key=caller.key, max_retries=0) as made:
        yield made


def test_chat_embeddings_and_models(client: openai.OpenAI, caller: Caller) -> None:
    chat = client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": "hello"}]
    )
    assert chat.choices[0].message.content == "echo: hello"
    stream = client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": "hello"}], stream=True
    )
    assert "".join(c.choices[0].delta.content or "" for c in stream) == "echo: hello"
    assert len(client.embeddings.create(model="echo-embedding", input="a").data) == 1
    assert client.models.retrieve("echo").id == "echo"
    facades = "SELECT DISTINCT facade FROM jobs_job j JOIN tenants_organization o ON o.id = j.organization_id WHERE o.slug = %s"
    assert caller.system.sql(facades, caller.slug) == [("openai",)]
    assert caller.job(chat.id)["status"] == "completed"


def test_images_with_fields_that_only_openai_knows(client: openai.OpenAI) -> None:
    made = client.images.generate(
        model="flux-schnell",
        prompt="a lake",
        size="256x256",
        quality="hd",
        style="vivid",
        user="somebody",
        response_format="b64_json",
    )

    assert made.data
    assert base64.b64decode(made.data[0].b64_json or "").startswith(b"\x89PNG")
    assert client.images.generate(model="flux-schnell", prompt="a lake", size="auto").data


def test_speech_and_its_transcript(client: openai.OpenAI) -> None:
    spoken = client.audio.speech.create(
        model="tts-1", voice="alloy", input="hello", response_format="wav"
    )
    with wave.open(io.BytesIO(spoken.content)) as recording:
        assert recording.getnframes() > 0
    written = client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", sound()), response_format="verbose_json"
    )
    assert written.text == "500 ms of sound"
    assert written.duration == 0.5
    assert written.segments is not None
    segment = openai.types.audio.TranscriptionSegment.model_validate(
        written.segments[0].to_dict(), strict=False
    )  # fails where one of OpenAI's fields is missing
    assert (segment.temperature, segment.no_speech_prob) == (0, 0)
    assert (
        client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", sound()), response_format="text"
        )
        == "500 ms of sound"
    )


def test_errors_are_the_clients_own_with_their_details(
    client: openai.OpenAI, caller: Caller
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="echo", messages=[])
    assert refused.value.param == "messages"
    assert refused.value.type == "invalid_request_error"
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("nothing")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError) as unknown:
        client.with_options(api_key="sk-genie-x").models.list()
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(
            model="echo-broken", messages=[{"role": "user", "content": "x"}]
        )
    assert failed.value.code == "model-load-failed"
    assert failed.value.request_id
    caller.system.manage(
        *("set_cap", "--org", caller.slug, "--layer", "org", "--window", "daily"),
        *("--credits", "0"),
    )
    with pytest.raises(openai.APIStatusError) as broke:
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "x"}])
    assert (broke.value.status_code, broke.value.code) == (402, "insufficient_quota")


def test_routes_and_methods_that_are_not_there(caller: Caller) -> None:
    nowhere = caller.get("/openai/v1/nowhere")
    wrong = caller.get("/openai/v1/embeddings")

    assert nowhere.status_code == 404
    assert nowhere.json()["error"]["type"] == "invalid_request_error"
    assert wrong.status_code == 405
    assert wrong.headers["Allow"] == "POST"


def test_the_rate_under_openais_names(new_caller: Callable[..., Caller]) -> None:
    limited = new_caller("--rpm", "50")

    headers = limited.get("/openai/v1/models").headers

    assert headers["x-ratelimit-limit-requests"] == headers["X-RateLimit-Limit"] == "50"
    assert headers["x-ratelimit-remaining-requests"] == "49"
    assert re.fullmatch(r"(1m)?[0-9]{1,2}s", headers["x-ratelimit-reset-requests"])
    assert "x-ratelimit-limit-requests" not in limited.get("/v1/models").headers
    for path in ("/openai/v1/responses", "/v1/async/responses", "/v1/responses"):
        refused = limited.post(path, {"model": "echo", "input": 5})
        assert (refused.status_code, refused.headers["X-RateLimit-Limit"]) == (400, "50")
