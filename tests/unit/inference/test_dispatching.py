"""The dispatcher: every chat gets exactly one outcome, whatever happens to the model's thread."""

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from inference.backends.chats import Chat
from inference.backends.dispatching import Dispatcher
from inference.batching import Admission, Budget
from inference.errors import Cancelled, EngineClosed, GenerationFailed, OutOfMemory
from inference.types import ChatRequest, ChatResult, FinishReason, SamplingParams, Usage
from tests.unit.inference.listeners import RecordingListener

END = 3


def _tokenizer() -> tokenizers.Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(["\0", "\1", "\2", "\3"])}
    vocabulary |= {letter: number for number, letter in enumerate(alphabet, start=4)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


TOKENIZER = _tokenizer()


def ids(text: str) -> list[int]:
    return list(TOKENIZER.encode(text).ids)


@dataclasses.dataclass
class FakeOutput:
    request_id: str
    generated_tokens: list[int]
    error: str | None = None
    is_last: bool = False

    def is_finished(self) -> bool:
        return self.is_last


class FakeManager:
    """Takes requests, and steps when the test says so."""

    def __init__(self) -> None:
        self.added: list[str] = []
        self.cancelled: list[str] = []
        self.arrived = threading.Semaphore(0)
        self.takes_requests = True
        self.lives = True

    def add(self, key: str, chat: Chat) -> bool:
        if self.takes_requests:
            self.added.append(key)
        self.arrived.release()
        return self.takes_requests

    def cancel(self, key: str) -> None:
        self.cancelled.append(key)

    def is_alive(self) -> bool:
        return self.lives


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Fixture:
    """A dispatcher with a manager and a clock of the test's own."""

    def __init__(self) -> None:
        self.manager = FakeManager()
        self.clock = Clock()
        self.dispatcher = Dispatcher(
            admission=Admission(Budget(slots=2, tokens=100)),
            end_ids=[END],
            clock=self.clock,
            check_s=0.01,
        )
        self.dispatcher.start(self.manager)

    def submit(self, **sampling: object) -> tuple[Chat, RecordingListener]:
        listener = RecordingListener()
        params = SamplingParams(**{"max_tokens": 10, **sampling})  # type: ignore[arg-type]
        chat = Chat(
            ChatRequest(request_id="r", model="m", messages=(), sampling=params),
            listener,
            prompt_ids=[5] * 7,
            tokenizer=TOKENIZER,
            on_cancel=self.dispatcher.cancel,
        )
        self.dispatcher.submit(chat)
        return chat, listener

    def submit_and_run(self, **sampling: object) -> tuple[Chat, RecordingListener, str]:
        chat, listener = self.submit(**sampling)
        assert self.manager.arrived.acquire(timeout=10)
        return chat, listener, self.manager.added[-1]

    def step(self, key: str, text: str, **changes: object) -> None:
        output = FakeOutput(key, ids(text))
        self.dispatcher.deliver([dataclasses.replace(output, **changes)])  # type: ignore[arg-type]


@pytest.fixture
def it() -> Iterator[Fixture]:
    found = Fixture()
    yield found
    found.dispatcher.close(timeout_s=5)


class TestAnswers:
    def test_streams_what_is_new_and_ends_with_the_end_token(self, it: Fixture) -> None:
        _, listener, key = it.submit_and_run()

        it.step(key, "a")
        it.step(key, "abc")
        it.step(key, "", generated_tokens=[*ids("abc"), END], is_last=True)

        assert listener.wait() == ChatResult(
            text="abc",
            finish_reason=FinishReason.STOP,
            usage=Usage(prompt_tokens=7, completion_tokens=3),
        )
        assert listener.deltas == ["a", "bc"]
        assert listener.counts == [1, 3]

    def test_the_last_token_without_end_token_is_length(self, it: Fixture) -> None:
        _, listener, key = it.submit_and_run(max_tokens=2)

        it.step(key, "ab", is_last=True)

        outcome = listener.wait()
        assert isinstance(outcome, ChatResult)
        assert outcome.finish_reason is FinishReason.LENGTH

    def test_a_stop_string_leaves_the_batch(self, it: Fixture) -> None:
        _, listener, key = it.submit_and_run(stop=("cd",))

        it.step(key, "abc")
        it.step(key, "abcdef")

        outcome = listener.wait()
        assert isinstance(outcome, ChatResult)
        assert (outcome.text, outcome.usage.completion_tokens) == ("ab", 4)
        assert it.manager.cancelled == [key]

    def test_what_could_have_been_a_stop_string_comes_out_at_the_end(self, it: Fixture) -> None:
        _, listener, key = it.submit_and_run(stop=("bcd",))

        it.step(key, "abc", is_last=True)

        listener.wait()
        assert listener.text == "abc"

    def test_half_a_character_becomes_a_replacement_at_the_end(self, it: Fixture) -> None:
        _, listener, key = it.submit_and_run()

        it.step(key, "", generated_tokens=ids("aé")[:2], is_last=True)

        listener.wait()
        assert listener.text == "a\ufffd"

    def test_no_stop_string_ends_it_before_min_tokens(self, it: Fixture) -> None:
        _, listener, key = it.submit_and_run(stop=("b",), min_tokens=3)

        it.step(key, "abcabc")

        outcome = listener.wait()
        assert isinstance(outcome, ChatResult)
        assert outcome.text == "abca"

    def test_at_most_its_slots_run(self, it: Fixture) -> None:
        _, first, key = it.submit_and_run()
        it.submit_and_run()
        it.submit()

        it.step(key, "a", is_last=True)

        assert it.manager.arrived.acquire(timeout=10)
        assert len(it.manager.added) == 3
        assert isinstance(first.wait(), ChatResult)

    def test_a_listener_that_fails_stops_no_other(self, it: Fixture) -> None:
        class Broken(RecordingListener):
            def on_delta(self, text: str, *, completion_tokens: int, logprobs: Any = ()) -> None:
                raise RuntimeError("broken")

        chat, _, key = it.submit_and_run()
        chat._listener = Broken()
        _, other, other_key = it.submit_and_run()

        it.step(key, "a")
        it.step(other_key, "a", is_last=True)

        assert isinstance(other.wait(), ChatResult)


class TestEnds:
    def test_cancel_ends_it_once_with_the_work_done(self, it: Fixture) -> None:
        chat, listener, key = it.submit_and_run()
        it.step(key, "ab")
        listener.wait_for_deltas(1)

        chat.cancel()
        chat.cancel()
        it.step(key, "abc")

        assert isinstance(listener.wait(), Cancelled)
        assert listener.usages == [Usage(prompt_tokens=7, completion_tokens=2)]
        assert it.manager.cancelled == [key]
        assert it.dispatcher.running() == 0

    def test_one_who_waits_for_a_slot_can_be_cancelled(self, it: Fixture) -> None:
        it.submit_and_run()
        it.submit_and_run()
        chat, listener = it.submit()

        chat.cancel()

        assert isinstance(listener.wait(), Cancelled)
        assert listener.usages == [Usage()]

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [("CUDA out of memory. Tried", OutOfMemory), ("/secret: boom", GenerationFailed)],
    )
    def test_a_failed_request_tells_nothing_of_the_inside(
        self, it: Fixture, error: str, outcome: type[Exception]
    ) -> None:
        _, listener, key = it.submit_and_run()
        _, other = it.submit()

        it.step(key, "", error=error)

        found = listener.wait()
        assert isinstance(found, outcome)
        assert "secret" not in str(found)
        assert isinstance(other.wait(), outcome)
        assert not it.dispatcher.is_healthy()

    def test_a_dead_manager_fails_all_and_all_who_come(self, it: Fixture) -> None:
        _, running, _ = it.submit_and_run()

        it.manager.lives = False

        assert isinstance(running.wait(), GenerationFailed)
        assert not it.dispatcher.is_healthy()
        _, late = it.submit()
        assert isinstance(late.wait(), GenerationFailed)

    def test_a_manager_that_takes_no_more_fails_them(self, it: Fixture) -> None:
        it.manager.takes_requests = it.manager.lives = False

        _, listener = it.submit()

        assert isinstance(listener.wait(), GenerationFailed)

    def test_a_fault_of_the_dispatcher_itself_leaves_nobody_waiting(self, it: Fixture) -> None:
        _, listener, key = it.submit_and_run()

        it.step(key, "", generated_tokens=None)

        assert isinstance(listener.wait(), GenerationFailed)

    def test_close_ends_who_runs_and_who_waits(self, it: Fixture) -> None:
        _, running, _ = it.submit_and_run()
        it.submit_and_run()
        _, waiting = it.submit()

        assert it.dispatcher.close(timeout_s=5)

        assert isinstance(running.wait(), EngineClosed)
        assert isinstance(waiting.wait(), EngineClosed)
        _, late = it.submit()
        assert isinstance(late.wait(), EngineClosed)


class TestWatchdog:
    def test_an_idle_model_is_never_behind(self, it: Fixture) -> None:
        it.clock.now = 900.0

        assert it.dispatcher.last_step_at() == 900.0

    def test_a_busy_one_is_as_old_as_its_last_step(self, it: Fixture) -> None:
        it.clock.now = 200.0
        it.submit_and_run()
        it.clock.now = 210.0
        assert it.dispatcher.last_step_at() == 200.0

        it.dispatcher.stepped()
        it.clock.now = 300.0

        assert it.dispatcher.last_step_at() == 210.0
