"""Several answers to one request: made side by side, told in order, ended as one."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from inference import fanout, scripts
from inference.errors import Cancelled, GenerationFailed
from inference.fanout import Fanout, Generated
from inference.types import (
    ChatRequest,
    ChatResult,
    ChoicesResult,
    CompletionRequest,
    FinishReason,
    Likelihood,
    SamplingParams,
    TokenLogprob,
    Usage,
)
from tests.unit.inference.listeners import RecordingListener

REQUEST = ChatRequest(
    request_id="r",
    model="m",
    messages=({"role": "user", "content": "hi"},),
    sampling=SamplingParams(max_tokens=9, seed=5),
    n=3,
)


class Answer:
    """One answer of the engine's, played by the test."""

    def __init__(self, request: Generated, listener: Any) -> None:
        self.request = request
        self.listener = listener
        self.cancels = 0
        self.made = 0
        self.text = ""

    @property
    def usage(self) -> Usage:
        return Usage(prompt_tokens=4, completion_tokens=self.made)

    def cancel(self) -> None:
        self.cancels += 1

    def say(self, text: str, logprobs: Any = ()) -> None:
        self.made += 1
        self.text += text
        self.listener.on_delta(text, completion_tokens=self.made, logprobs=logprobs)

    def end(self, outcome: Any = None) -> None:
        done = outcome or ChatResult(
            text=self.text, finish_reason=FinishReason.STOP, usage=self.usage
        )
        self.listener.on_done(done, usage=self.usage)


class Engine:
    """Takes the requests, and lets the test play them."""

    def __init__(self, at_once: Callable[[Answer], None] | None = None) -> None:
        self.answers: list[Answer] = []
        self.at_once = at_once

    def submit(self, request: Generated, listener: Any) -> Answer:
        self.answers.append(Answer(request, listener))
        if self.at_once:
            self.at_once(self.answers[-1])
        return self.answers[-1]


@pytest.fixture
def played() -> tuple[Fanout, list[Answer], RecordingListener]:
    engine, listener = Engine(), RecordingListener()
    return Fanout(REQUEST, listener).start(engine.submit), engine.answers, listener


Played = tuple[Fanout, list[Answer], RecordingListener]


def test_the_answers_are_requests_of_their_own(played: Played) -> None:
    _, answers, _ = played

    requests: list[Any] = [answer.request for answer in answers]
    assert [one.request_id for one in requests] == ["r.0", "r.1", "r.2"]
    assert {one.n for one in requests} == {1}
    seeds = [one.sampling.seed for one in requests]
    assert seeds[0] == 5
    assert len(set(seeds)) == 3
    assert all(one.messages == REQUEST.messages for one in requests)


def test_seeds_of_neighbours_share_no_answer() -> None:
    seeds = [fanout.seed_of(seed, number) for seed in range(50) for number in range(8)]

    assert len(set(seeds)) == len(seeds)
    assert all(seed is not None and 0 <= seed < 2**63 for seed in seeds)
    assert fanout.seed_of(None, 3) is None


def test_they_are_told_in_order_whichever_is_faster(played: Played) -> None:
    _, (first, second, third), listener = played

    third.say("three")
    third.end()
    first.say("o")
    second.say("tw")
    first.say("ne")
    first.end()
    second.say("o")
    second.end()

    assert listener.deltas == ["o", "ne", f"{scripts.CHOICE}tw", "o", f"{scripts.CHOICE}three"]
    (outcome,) = listener.outcomes
    assert isinstance(outcome, ChoicesResult)
    assert [one.text for one in outcome.choices] == ["one", "two", "three"]
    assert outcome.usage == Usage(prompt_tokens=4, completion_tokens=5)
    assert listener.usages == [outcome.usage]


def test_tokens_are_placed_in_the_script_of_all(played: Played) -> None:
    _, (first, second, third), listener = played
    token = TokenLogprob(chosen=Likelihood(token="a", raw=b"a", logprob=-1.0), top=(), end=1)

    second.say("a", [token])
    first.say("a", [token])
    first.end()
    third.say("a", [token])
    second.end()
    third.end()

    assert listener.text == scripts.CHOICE.join("aaa")
    assert listener.logprobs == [dataclasses.replace(token, end=end) for end in (1, 3, 5)]


def test_an_error_of_one_is_the_end_of_all(played: Played) -> None:
    handle, answers, listener = played
    answers[0].say("a")
    failure = GenerationFailed("It broke.")

    answers[1].end(failure)
    answers[0].say("b")
    answers[0].end()

    assert listener.outcomes == [failure]
    assert [answer.cancels for answer in answers] == [1, 1, 1]
    assert listener.deltas == ["a"]
    assert handle.usage.completion_tokens == 2


def test_cancelling_cancels_all(played: Played) -> None:
    handle, answers, listener = played

    handle.cancel()
    for answer in answers:
        answer.end(Cancelled())

    assert all(answer.cancels for answer in answers)
    assert len(listener.outcomes) == 1


def test_an_end_before_the_submit_has_returned_leaves_nothing_running() -> None:
    engine = Engine(at_once=lambda answer: answer.end(GenerationFailed("No.")))
    listener = RecordingListener()

    Fanout(REQUEST, listener).start(engine.submit)

    assert len(listener.outcomes) == 1
    assert all(answer.cancels for answer in engine.answers)


def test_answers_that_are_ready_at_once_are_all_told() -> None:
    def answer_now(answer: Answer) -> None:
        answer.say(answer.request.request_id)
        answer.end()

    listener = RecordingListener()

    Fanout(REQUEST, listener).start(Engine(at_once=answer_now).submit)

    assert listener.text == scripts.CHOICE.join(["r.0", "r.1", "r.2"])
    assert len(listener.outcomes) == 1


class TestCompletions:
    REQUEST: ClassVar[CompletionRequest] = CompletionRequest(
        request_id="r",
        model="m",
        prompts=("a", (1, 2)),
        sampling=SamplingParams(max_tokens=9, seed=5),
        n=2,
    )

    def test_are_n_of_each_prompt_in_order(self) -> None:
        engine = Engine()

        handle = Fanout(self.REQUEST, RecordingListener()).start(engine.submit)

        requests: list[Any] = [answer.request for answer in engine.answers]
        assert [one.prompts for one in requests] == [("a",), ("a",), ((1, 2),), ((1, 2),)]
        assert len({one.sampling.seed for one in requests}) == 4
        assert handle.usage.prompt_tokens == 8  # each prompt once

    def test_with_one_prompt_and_one_answer_need_no_fan(self) -> None:
        single = dataclasses.replace(self.REQUEST, prompts=("a",), n=1)

        assert fanout.is_for_several(self.REQUEST)
        assert not fanout.is_for_several(single)


def test_marks_in_a_plain_answer_are_dropped(played: Played) -> None:
    _, answers, listener = played

    for answer in answers:
        answer.say(f"a{scripts.CHOICE}b")
        answer.end()

    assert listener.text == scripts.CHOICE.join(["ab", "ab", "ab"])
    (outcome,) = listener.outcomes
    assert isinstance(outcome, ChoicesResult)
    assert {one.text for one in outcome.choices} == {"ab"}


def test_an_answer_without_a_word_says_nothing_by_itself(played: Played) -> None:
    _, (first, second, third), listener = played

    first.say("a")
    for answer in (second, first):
        answer.end()
    third.say("c")
    third.end()

    assert listener.deltas == ["a", f"{scripts.CHOICE}{scripts.CHOICE}c"]


def test_answers_without_a_word_at_the_end_are_told_too(played: Played) -> None:
    _, answers, listener = played

    for answer in answers:
        answer.end()

    assert listener.deltas == [scripts.CHOICE * 2]
