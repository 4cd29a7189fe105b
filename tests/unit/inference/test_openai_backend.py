"""A model of another server: what it is asked, what its answers mean, and how each fault ends."""

import array
import contextlib
import logging
import math
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from inference.backends.openai import OpenAIBackend
from inference.engine import Engine
from inference.errors import (
    Cancelled,
    EngineClosed,
    GenerationFailed,
    InferenceError,
    InputRejected,
    ModelLoadFailed,
    ServerUnavailable,
)
from inference.fanout import Generated
from inference.registry import Registry
from inference.types import (
    ChatRequest,
    ChatResult,
    CompletionRequest,
    EmbeddingRequest,
    EmbeddingResult,
    FinishReason,
    Modality,
    SamplingParams,
    Usage,
)
from tests.unit.inference.listeners import RecordingListener
from tests.unit.inference.specs import echo_spec
from tests.unit.inference.upstream_server import (
    DONE,
    HEAD,
    Line,
    Script,
    UpstreamServer,
    answer,
    chunked,
    delta,
    event,
    hang_up,
    models,
    reply,
    stream,
    upstream_server,
    wait_for_close,
)

PROMPT = "a very secret prompt"
KEY = "sk-very-secret-key"


@pytest.fixture
def server() -> Iterator[UpstreamServer]:
    with upstream_server() as found:
        yield found


Load = Callable[..., OpenAIBackend]


@pytest.fixture
def load(server: UpstreamServer) -> Iterator[Load]:
    """Load a backend of the server, with options."""
    with contextlib.ExitStack() as stack:

        def run(
            modality: Modality = Modality.CHAT, *, max_batch: int = 2, **options: Any
        ) -> OpenAIBackend:
            backend = backend_of(server.url, modality, max_batch=max_batch, **options)
            server.next(models("other", "served"))
            stack.callback(backend.close, timeout_s=5)
            backend.load()
            server.asked.clear()
            return backend

        yield run


def backend_of(
    url: str, modality: Modality = Modality.CHAT, *, max_batch: int = 2, **options: Any
) -> OpenAIBackend:
    return OpenAIBackend(
        echo_spec(
            "far",
            modality=modality,
            backend="openai",
            source=url,
            max_batch=max_batch,
            options={"model": "served", **options},
        )
    )


def chat(**sampling: Any) -> ChatRequest:
    return ChatRequest(
        request_id="r1",
        model="far",
        messages=({"role": "user", "content": PROMPT},),
        sampling=SamplingParams(**{"max_tokens": 50, **sampling}),
    )


def embedding(*inputs: str | tuple[int, ...], dimensions: int | None = None) -> EmbeddingRequest:
    return EmbeddingRequest(request_id="r1", model="far", inputs=inputs, dimensions=dimensions)


def run(backend: OpenAIBackend, request: Generated | EmbeddingRequest) -> RecordingListener:
    listener = RecordingListener()
    backend.submit(request, listener)
    listener.wait(10)
    return listener


def failure(backend: OpenAIBackend, request: ChatRequest | EmbeddingRequest) -> InferenceError:
    outcome = run(backend, request).outcomes[0]
    assert isinstance(outcome, InferenceError)
    assert PROMPT not in outcome.message
    return outcome


class TestLoad:
    def test_asks_for_the_models_with_the_key(
        self, server: UpstreamServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAR_KEY", KEY)
        server.next(models("served"))

        backend = backend_of(server.url, api_key_env="FAR_KEY")
        backend.load()

        (asked,) = server.asked
        assert (asked.method, asked.path) == ("GET", "/v1/models")
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert backend.is_healthy()
        backend.close(timeout_s=5)

    def test_takes_the_name_that_ollama_lengthens(self, server: UpstreamServer) -> None:
        server.next(models("served:latest"))

        backend = backend_of(server.url)
        backend.load()

        backend.close(timeout_s=5)

    @pytest.mark.parametrize(
        ("script", "sentence"),
        [
            (models("other"), "does not list the name that option model gives"),
            (reply(401, {"error": {"message": KEY}}), "refuses the key in FAR_KEY"),
            (reply(404, {}), "most base URLs end in /v1"),
            (reply(500, b"<html>"), "failed (HTTP 500)"),
            (reply(302, {}, Location="http://other/"), "redirect, and none is followed"),
            (reply(200, b"<html>"), "does not answer as one of OpenAI's protocol"),
            (reply(200, {"models": []}), "does not answer as one of OpenAI's protocol"),
            (hang_up, "does not answer as one of OpenAI's protocol"),
        ],
    )
    def test_says_what_is_wrong_and_never_the_key(
        self,
        server: UpstreamServer,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        script: Script,
        sentence: str,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        monkeypatch.setenv("FAR_KEY", KEY)
        server.next(script)

        with pytest.raises(ModelLoadFailed) as caught:
            backend_of(server.url, api_key_env="FAR_KEY").load()

        assert caught.value.message.startswith("Model far could not be loaded: ")
        assert sentence in caught.value.message
        assert KEY not in caught.value.message + caplog.text

    def test_names_the_variable_that_is_not_set(self, server: UpstreamServer) -> None:
        with pytest.raises(ModelLoadFailed, match="environment variable FAR_KEY of the worker"):
            backend_of(server.url, api_key_env="FAR_KEY").load()

    def test_says_that_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        with pytest.raises(ServerUnavailable, match="its server cannot be reached"):
            backend_of(f"http://127.0.0.1:{port}/v1").load()

    def test_says_that_there_is_no_tokenizer(self, server: UpstreamServer) -> None:
        with pytest.raises(ModelLoadFailed, match="no tokenizer where option tokenizer says"):
            backend_of(server.url, tokenizer="/nonexistent").load()

    def test_may_ask_for_a_token_instead_of_the_list(self, server: UpstreamServer) -> None:
        message = {"role": "assistant", "content": "Hi"}
        server.next(reply(body={"choices": [{"message": message, "finish_reason": "length"}]}))

        backend = backend_of(server.url, check="ask")
        backend.load()

        (asked,) = server.asked
        assert asked.path == "/v1/chat/completions"
        assert asked.fields["max_tokens"] == 1
        backend.close(timeout_s=5)

    def test_may_ask_for_a_vector_likewise(self, server: UpstreamServer) -> None:
        server.next(reply(404, {"error": {"message": "no such model"}}))

        with pytest.raises(ModelLoadFailed, match="does not know the model"):
            backend_of(server.url, Modality.EMBEDDING, check="ask").load()


class TestChat:
    def test_passes_the_answer_on(self, server: UpstreamServer, load: Load) -> None:
        backend = load()
        server.next(stream(answer("Hel", "lo", "!")))

        listener = run(backend, chat())

        assert listener.deltas == ["Hel", "lo", "!"]
        assert listener.counts == [1, 2, 3]
        assert listener.outcomes == [
            ChatResult(
                text="Hello!",
                finish_reason=FinishReason.STOP,
                usage=Usage(prompt_tokens=7, completion_tokens=3),
            )
        ]
        assert listener.usages == [Usage(prompt_tokens=7, completion_tokens=3)]

    def test_asks_for_what_the_request_says(self, server: UpstreamServer, load: Load) -> None:
        backend = load()
        server.next(stream(answer("x")))

        run(
            backend,
            chat(
                temperature=0.5, top_p=0.9, stop=("a", "b"), seed=2**40 + 5, min_tokens=2,
                presence_penalty=1.0, frequency_penalty=-1.0,
            ),
        )  # fmt: skip

        assert server.asked[0].path == "/v1/chat/completions"
        assert server.asked[0].fields == {
            "model": "served",
            "messages": [{"role": "user", "content": PROMPT}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 50,
            "temperature": 0.5,
            "top_p": 0.9,
            "stop": ["a", "b"],
            "seed": 5,
            "min_tokens": 2,
            "presence_penalty": 1.0,
            "frequency_penalty": -1.0,
        }

    def test_passes_a_text_completion_on(self, server: UpstreamServer, load: Load) -> None:
        backend = load()
        server.next(stream([event(choices=[{"text": "x", "finish_reason": "stop"}])]))
        sampling = SamplingParams(max_tokens=5)

        listener = run(
            backend,
            CompletionRequest(request_id="r1", model="far", prompts=("Hi",), sampling=sampling),
        )

        assert server.asked[0].path == "/v1/completions"
        assert server.asked[0].fields["prompt"] == "Hi"
        assert listener.text == "x"

    def test_says_nothing_that_is_usual(self, server: UpstreamServer, load: Load) -> None:
        backend = load()
        server.next(stream(answer("x")))

        run(backend, chat())

        assert set(server.asked[0].fields) == {
            "model", "messages", "stream", "stream_options", "max_tokens", "temperature",
        }  # fmt: skip

    def test_sends_what_the_operator_says(self, server: UpstreamServer, load: Load) -> None:
        backend = load(
            omit=["seed", "stream_options"],
            body={"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}},
            max_tokens_field="max_completion_tokens",
        )
        server.next(stream(answer("x")))

        run(backend, chat(seed=1))

        fields = server.asked[0].fields
        assert not {"seed", "stream_options", "max_tokens"} & set(fields)
        assert fields["top_k"] == 20
        assert fields["chat_template_kwargs"] == {"enable_thinking": False}
        assert fields["max_completion_tokens"] == 50

    def test_takes_characters_that_are_cut_anywhere(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load()
        whole = b"".join(answer("héllo ", "🙂"))
        server.next(stream([whole[i : i + 1] for i in range(len(whole))]))

        assert run(backend, chat()).text == "héllo 🙂"

    def test_takes_an_answer_that_was_not_streamed(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load()
        choice = {"message": {"content": "Hello"}, "finish_reason": "length"}
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        server.next(reply(body={"choices": [choice], "usage": usage}))

        listener = run(backend, chat())

        assert listener.text == "Hello"
        assert listener.outcomes == [
            ChatResult(
                text="Hello",
                finish_reason=FinishReason.LENGTH,
                usage=Usage(prompt_tokens=7, completion_tokens=3),
            )
        ]

    @pytest.mark.parametrize("ending", [[], [DONE]])
    def test_ends_with_the_stream_once_it_is_said_why(
        self, server: UpstreamServer, load: Load, ending: list[bytes]
    ) -> None:
        backend = load()
        server.next(stream([delta("x"), delta(finish="length"), *ending]))

        (outcome,) = run(backend, chat()).outcomes

        assert isinstance(outcome, ChatResult)
        assert outcome.finish_reason is FinishReason.LENGTH

    def test_keeps_its_connection(self, server: UpstreamServer, load: Load) -> None:
        backend = load(max_batch=1)  # so that a request waits until the one before has left
        server.next(*[stream(answer("x")) for _ in range(3)])

        for _ in range(3):
            run(backend, chat())

        assert {asked.connection for asked in server.asked} == {1}

    def test_dials_again_where_a_kept_connection_was_closed(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load(max_batch=1)

        def take_and_hang_up(line: Line) -> None:
            hang_up(line)

        # Closed only after the request has come, so that no look at the socket can tell before.
        server.next(take_and_hang_up, stream(answer("x")))

        assert run(backend, chat()).text == "x"
        assert [asked.connection for asked in server.asked] == [1, 2]


class TestStops:
    def test_cuts_at_a_stop_string_that_the_server_ignores(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load()
        server.next(stream(map(delta, ("on", "e tw", "o three")), then=wait_for_close))

        listener = run(backend, chat(stop=("two",)))

        (outcome,) = listener.outcomes
        assert isinstance(outcome, ChatResult)
        assert (outcome.text, outcome.finish_reason) == ("one ", FinishReason.STOP)
        assert listener.text == "one "
        assert server.saw_close.wait(5)

    def test_lets_out_what_only_began_like_one(self, server: UpstreamServer, load: Load) -> None:
        backend = load()
        server.next(stream(answer("one t")))

        assert run(backend, chat(stop=("two",))).text == "one t"

    def test_cuts_at_the_limit_that_the_server_ignores(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load()
        server.next(stream(map(delta, "abcdef"), then=wait_for_close))

        (outcome,) = run(backend, chat(max_tokens=3)).outcomes

        assert isinstance(outcome, ChatResult)
        assert outcome.finish_reason is FinishReason.LENGTH
        assert outcome.usage.completion_tokens == 3
        assert server.saw_close.wait(5)


class TestUsage:
    def test_is_estimated_where_the_server_tells_none(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load()
        server.next(stream(answer("a", "b", usage=None)))

        (outcome,) = run(backend, chat()).outcomes

        assert isinstance(outcome, ChatResult)
        # One token for each piece, and one for each four bytes of the messages.
        assert outcome.usage.completion_tokens == 2
        assert 0 < outcome.usage.prompt_tokens <= len(PROMPT)

    @pytest.mark.parametrize(
        "usage", [{"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": "7"}, 7, {}]
    )
    def test_that_makes_no_sense_is_none(
        self, server: UpstreamServer, load: Load, usage: Any
    ) -> None:
        backend = load()
        server.next(stream(answer("a", "b", usage=usage)))

        assert run(backend, chat()).usages[0].completion_tokens == 2

    def test_counts_thoughts_that_are_not_passed_on(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load()
        thought = event(choices=[{"delta": {"reasoning_content": "hm"}}])
        server.next(stream([thought, thought, *answer("x", usage=None)]))

        listener = run(backend, chat())

        assert listener.text == "x"
        assert listener.usages[0].completion_tokens == 3

    def test_of_a_request_that_never_ran_is_nothing(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load()
        server.next(reply(400, {}))

        assert run(backend, chat()).usages == [Usage()]


class TestFaults:
    @pytest.mark.parametrize(
        ("status", "error", "kind", "sentence"),
        [
            (400, {"message": PROMPT}, InputRejected, "does not accept this request (HTTP 400)"),
            (400, {"code": "context_length_exceeded"}, InputRejected, "no room for the prompt"),
            (400, {"code": 400, "type": "BadRequestError"}, InputRejected, "(HTTP 400)"),
            (422, {"code": "bad", "type": PROMPT}, InputRejected, "(HTTP 422, bad)"),
            (401, {"message": "no"}, ModelLoadFailed, "refuses the key of this worker (HTTP 401)"),
            (404, {"message": "no"}, ModelLoadFailed, "does not have the model (HTTP 404)"),
            (307, {}, GenerationFailed, "redirect, and none is followed"),
            (500, {"message": PROMPT}, GenerationFailed, "failed (HTTP 500)"),
            (502, PROMPT, GenerationFailed, "failed (HTTP 502)"),
        ],
    )
    def test_of_a_status(  # noqa: PLR0917 - a table of them
        self,
        server: UpstreamServer,
        load: Load,
        caplog: pytest.LogCaptureFixture,
        status: int,
        error: Any,
        kind: type[InferenceError],
        sentence: str,
    ) -> None:
        backend = load()
        server.next(reply(status, {"error": error}))

        found = failure(backend, chat())

        assert type(found) is kind
        assert sentence in found.message
        assert PROMPT not in caplog.text

    def test_names_the_field_that_the_server_names(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load()
        server.next(reply(400, {"error": {"message": "no", "param": "temperature"}}))

        found = failure(backend, chat())

        assert isinstance(found, InputRejected)
        assert found.field == "temperature"

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_busy_server_is_asked_again(
        self, server: UpstreamServer, load: Load, status: int
    ) -> None:
        backend = load()
        busy = reply(status, {}, Retry_After="0")
        server.next(busy, busy, stream(answer("x")))

        assert run(backend, chat()).text == "x"
        assert len(server.asked) == 3

    def test_a_busy_server_that_asks_for_more_time_than_there_is(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load(first_seconds=5)
        server.next(reply(429, {}, Retry_After="100"))

        found = failure(backend, chat())

        assert type(found) is GenerationFailed
        assert "takes no more requests" in found.message

    @pytest.mark.parametrize(
        ("pieces", "sentence"),
        [
            ([delta("a")], "closed the connection in an answer"),
            ([], "closed the connection in an answer"),
            ([DONE], "gave an answer that cannot be read"),
            ([b"data: {\n\n"], "gave an answer that cannot be read"),
            ([b"data: []\n\n"], "gave an answer that cannot be read"),
            ([event(choices=7)], "gave an answer that cannot be read"),
            ([event(choices=[7])], "gave an answer that cannot be read"),
            ([event(choices=[{"delta": {"content": 7}}])], "gave an answer that cannot be read"),
            ([b"data: " + b"[" * 100_000 + b"\n\n"], "gave an answer that cannot be read"),
            ([b"data: " + b"x" * 65_536] + 16 * [b"x" * 65_536], "answer that cannot be read"),
            ([delta("a"), event(error={"message": PROMPT})], "failed in the middle of an answer"),
            ([event(error=PROMPT)], "failed in the middle of an answer"),
            ([event(error={"message": PROMPT, "code": 500})], "failed (HTTP 500)"),
        ],
    )
    def test_of_a_stream(
        self, server: UpstreamServer, load: Load, pieces: list[bytes], sentence: str
    ) -> None:
        backend = load()
        server.next(stream(pieces))

        found = failure(backend, chat())

        assert type(found) is GenerationFailed
        assert sentence in found.message

    def test_a_filtered_answer_is_not_tried_again(self, server: UpstreamServer, load: Load) -> None:
        backend = load()
        server.next(stream(answer("a", finish="content_filter")))

        assert isinstance(failure(backend, chat()), InputRejected)

    def test_a_connection_that_ends_in_a_chunk(self, server: UpstreamServer, load: Load) -> None:
        backend = load()

        def break_off(line: Line) -> None:
            line.send(HEAD + chunked(delta("a")) + b"ff\r\nhalf")
            hang_up(line)

        server.next(break_off)

        listener = run(backend, chat())

        assert listener.text == "a"
        assert isinstance(listener.outcomes[0], GenerationFailed)

    def test_work_of_another_kind_is_refused(self, load: Load) -> None:
        backend = load()

        assert isinstance(failure(backend, embedding("a")), InputRejected)


class TestTime:
    @pytest.mark.parametrize(
        ("options", "script", "sentence"),
        [
            ({"first_seconds": 0.2}, wait_for_close, "did not begin to answer for 0.2 s"),
            ({"first_seconds": 0.2}, stream([delta("")], then=wait_for_close), "did not begin"),
            ({"stall_seconds": 0.2}, stream([delta("a")], then=wait_for_close), "silent for 0.2 s"),
            ({"total_seconds": 0.2}, stream([delta("a")], then=wait_for_close), "within 0.2 s"),
        ],
    )
    def test_that_is_over_ends_the_request_and_the_connection(
        self,
        server: UpstreamServer,
        load: Load,
        options: dict[str, float],
        script: Script,
        sentence: str,
    ) -> None:
        backend = load(**options)
        server.next(script)

        found = failure(backend, chat())

        assert type(found) is GenerationFailed
        assert sentence in found.message
        assert server.saw_close.wait(5)

    def test_pings_are_no_answer(self, server: UpstreamServer, load: Load) -> None:
        backend = load(stall_seconds=0.3)

        def ping(line: Line) -> None:
            while not server.release.wait(0.02):
                line.send(chunked(b": ping\n\n"))

        server.next(stream([delta("a")], then=ping))

        assert "silent for 0.3 s" in failure(backend, chat()).message


class TestCancel:
    @pytest.mark.parametrize("script", [wait_for_close, stream([delta("")], then=wait_for_close)])
    def test_closes_the_connection_before_a_token_too(
        self, server: UpstreamServer, load: Load, script: Script
    ) -> None:
        backend, listener = load(), RecordingListener()
        server.next(script)
        handle = backend.submit(chat(), listener)

        handle.cancel()
        handle.cancel()

        assert isinstance(listener.wait(1), Cancelled)
        assert backend.running() == 0

    def test_closes_the_connection_in_an_answer(self, server: UpstreamServer, load: Load) -> None:
        backend, listener = load(), RecordingListener()
        server.next(stream([delta("a"), delta("b")], then=wait_for_close))
        handle = backend.submit(chat(), listener)
        listener.wait_for_deltas(2)

        handle.cancel()

        assert server.saw_close.wait(5)
        assert isinstance(listener.wait(1), Cancelled)
        assert len(listener.outcomes) == 1
        assert listener.usages[0].completion_tokens == 2

    def test_from_inside_a_delta(self, server: UpstreamServer, load: Load) -> None:
        class Fickle(RecordingListener):
            def on_delta(self, text: str, **more: Any) -> None:
                super().on_delta(text, **more)
                handles[0].cancel()

        backend, listener, handles = load(max_batch=1), Fickle(), []
        in_line = RecordingListener()

        def answer_late(line: Line) -> None:
            server.release.wait(10)
            stream([delta("a"), delta("b")], then=wait_for_close)(line)

        server.next(answer_late, stream(answer("x")))
        handles.append(backend.submit(chat(), listener))
        backend.submit(chat(), in_line)
        server.release.set()

        assert isinstance(listener.wait(5), Cancelled)
        assert listener.deltas == ["a"]
        assert isinstance(in_line.wait(5), ChatResult)  # it has the slot now

    def test_of_a_request_that_waits_in_line(self, server: UpstreamServer, load: Load) -> None:
        backend, first, second = load(max_batch=1), RecordingListener(), RecordingListener()
        server.next(stream([delta("a")], then=wait_for_close))
        backend.submit(chat(), first)
        first.wait_for_deltas(1)

        backend.submit(chat(), second).cancel()

        assert isinstance(second.wait(1), Cancelled)
        assert second.usages == [Usage()]
        assert len(server.asked) == 1


class TestManyAtOnce:
    def test_run_up_to_the_limit(self, server: UpstreamServer, load: Load) -> None:
        backend = load(max_batch=3)
        listeners = [RecordingListener() for _ in range(5)]

        def wait_for_release(line: Line) -> None:
            server.release.wait(10)
            line.send(chunked(b"".join(answer("b"))) + b"0\r\n\r\n")

        server.next(*[stream([delta("a")], then=wait_for_release) for _ in range(5)])
        for listener in listeners:
            backend.submit(chat(), listener)
        for listener in listeners[:3]:
            listener.wait_for_deltas(1)

        assert len(server.asked) == 3
        assert backend.running() == 5

        server.release.set()
        for listener in listeners:
            assert isinstance(listener.wait(10), ChatResult)
        assert len(server.asked) == 5
        assert backend.running() == 0


class TestHealth:
    def test_is_lost_with_the_server(self, server: UpstreamServer, load: Load) -> None:
        backend = load()
        server.close()

        found = failure(backend, chat())

        assert "cannot be reached" in found.message
        assert not backend.is_healthy()

    def test_is_kept_while_other_answers_come(self, server: UpstreamServer, load: Load) -> None:
        backend, listener = load(), RecordingListener()
        server.next(stream([delta("a")], then=wait_for_close), reply(404, {}))
        backend.submit(chat(), listener)
        listener.wait_for_deltas(1)

        failure(backend, chat())

        assert backend.is_healthy()

    def test_comes_back_with_the_server(self, server: UpstreamServer, load: Load) -> None:
        backend = load()
        server.next(reply(401, {}), stream(answer("x")))
        failure(backend, chat())
        assert not backend.is_healthy()

        run(backend, chat())

        assert backend.is_healthy()

    def test_steps_go_on_while_a_server_lets_a_request_wait(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend, listener = load(first_seconds=0.3), RecordingListener()
        server.next(wait_for_close)
        backend.submit(chat(), listener)
        submitted_at = backend._looked_at  # what last_step_at tells while something runs
        listener.wait(10)

        assert backend._looked_at > submitted_at

    def test_closing_ends_what_runs(self, server: UpstreamServer, load: Load) -> None:
        backend, listener = load(), RecordingListener()
        server.next(stream([delta("a")], then=wait_for_close))
        backend.submit(chat(), listener)
        listener.wait_for_deltas(1)

        backend.close(timeout_s=5)

        assert isinstance(listener.wait(1), EngineClosed)
        assert server.saw_close.wait(5)
        assert isinstance(failure(backend, chat()), EngineClosed)

    def test_the_engine_tells_what_is_wrong_and_recovers(self, server: UpstreamServer) -> None:
        spec = backend_of(server.url)._spec
        engine = Engine(Registry([spec]))
        server.next(models("other"), models("served"), stream(answer("x")))
        listeners = [RecordingListener(), RecordingListener()]

        for listener in listeners:
            engine.submit(chat(), listener)
            listener.wait(10)

        assert isinstance(listeners[0].outcomes[0], ModelLoadFailed)
        assert listeners[1].text == "x"
        engine.close(timeout_s=5)


def vectors(*rows: list[float], usage: Any = None, start: int = 0) -> Script:
    data = [{"index": number, "embedding": row} for number, row in enumerate(rows, start)]
    return reply(body={"data": data[::-1], "usage": usage})


class TestEmbeddings:
    def test_are_in_the_order_of_the_inputs_and_of_length_1(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load(Modality.EMBEDDING)
        server.next(vectors([3.0, 4.0], [0.0, 2.0], usage={"prompt_tokens": 9, "total_tokens": 9}))

        (outcome,) = run(backend, embedding("a", (1, 2))).outcomes

        assert server.asked[0].path == "/v1/embeddings"
        assert server.asked[0].fields == {"model": "served", "input": ["a", [1, 2]]}
        assert outcome == EmbeddingResult(
            vectors=(array.array("f", [0.6, 0.8]), array.array("f", [0.0, 1.0])),
            usage=Usage(prompt_tokens=9),
        )

    def test_are_cut_here(self, server: UpstreamServer, load: Load) -> None:
        backend = load(Modality.EMBEDDING)
        server.next(vectors([3.0, 4.0, 12.0]))

        (outcome,) = run(backend, embedding("a", dimensions=2)).outcomes

        assert isinstance(outcome, EmbeddingResult)
        assert math.isclose(outcome.vectors[0][1], 0.8, rel_tol=1e-6)
        assert "dimensions" not in server.asked[0].fields

    def test_have_no_more_dimensions_than_the_model(
        self, server: UpstreamServer, load: Load
    ) -> None:
        backend = load(Modality.EMBEDDING)
        server.next(vectors([1.0]))

        found = failure(backend, embedding("a", dimensions=2))

        assert isinstance(found, InputRejected)
        assert found.message == "dimensions is 2; model far has 1."

    def test_of_many_inputs_take_several_requests(self, server: UpstreamServer, load: Load) -> None:
        backend = load(Modality.EMBEDDING)
        server.next(
            vectors(*[[1.0]] * 64, usage={"prompt_tokens": 64}), vectors([-1.0], usage=None)
        )

        (outcome,) = run(backend, embedding(*["text"] * 65)).outcomes

        assert isinstance(outcome, EmbeddingResult)
        assert [vector[0] for vector in outcome.vectors] == [1.0] * 64 + [-1.0]
        assert outcome.usage == Usage(prompt_tokens=65)  # the last one estimated

    @pytest.mark.parametrize(
        "script",
        [
            vectors(),
            vectors([1.0], start=1),
            vectors([0.0]),
            vectors([1e300]),
            reply(body={"data": [{"index": 0, "embedding": "AAAA"}]}),
            reply(body={"data": [{"index": 0}]}),
            reply(body={"data": [7]}),
            reply(body=b"{"),
        ],
    )
    def test_that_are_none_are_a_failure(
        self, server: UpstreamServer, load: Load, script: Script
    ) -> None:
        backend = load(Modality.EMBEDDING)
        server.next(script)

        assert "cannot be read" in failure(backend, embedding("a")).message

    def test_of_nothing_are_refused(self, load: Load) -> None:
        assert isinstance(failure(load(Modality.EMBEDDING), embedding()), InputRejected)
