"""The synthetic dialogues: the same for the same seed, and split by the text of the prompt."""

import itertools
import json
import re

import pytest

from inference.backends.tiny import mixture, paraphrasing, split
from inference.backends.tiny.dialogue import Dialogue, Kind


def _training(count: int, *, seed: int = 3) -> list[Dialogue]:
    return list(mixture.training_dialogues(count, seed=seed))


class TestTrainingDialogues:
    def test_are_the_same_for_the_same_seed(self) -> None:
        assert _training(300) == _training(300)

    def test_differ_for_another_seed(self) -> None:
        assert _training(300) != _training(300, seed=4)

    def test_hold_no_held_out_prompt(self) -> None:
        prompts = itertools.chain.from_iterable(one.prompts for one in _training(2_000))

        assert not any(map(split.is_held_out, prompts))

    def test_cover_every_kind(self) -> None:
        assert {one.kind for one in _training(2_000)} == set(Kind)

    def test_end_with_an_answer(self) -> None:
        assert {one.messages[-1]["role"] for one in _training(500)} == {"assistant"}


@pytest.mark.parametrize("kind", list(Kind))
class TestHeldOutDialogues:
    def test_are_the_same_for_the_same_seed(self, kind: Kind) -> None:
        first = list(mixture.held_out_dialogues(kind, 10, seed=1))

        assert first == list(mixture.held_out_dialogues(kind, 10, seed=1))

    def test_end_with_distinct_prompts_that_training_cannot_hold(self, kind: Kind) -> None:
        prompts = [one.prompts[-1] for one in mixture.held_out_dialogues(kind, 20, seed=2)]

        assert len(set(prompts)) == 20
        assert all(map(split.is_held_out, prompts))


class TestAnswers:
    def test_of_arithmetic_are_right(self) -> None:
        answers = _last_answers(Kind.ARITHMETIC, 300)

        assert [answer for answer in answers if not _is_right_sum(answer)] == []

    def test_of_json_parse(self) -> None:
        answers = _last_answers(Kind.JSON, 200)

        assert all(isinstance(json.loads(answer), dict) for answer in answers)

    def test_of_echo_are_in_the_prompt(self) -> None:
        dialogues = mixture.held_out_dialogues(Kind.ECHO, 200, seed=5)

        assert all(one.messages[-1]["content"] in one.prompts[-1] for one in dialogues)

    def test_of_tools_call_a_declared_tool(self) -> None:
        for dialogue in mixture.held_out_dialogues(Kind.TOOLS, 100, seed=5):
            declared = {tool["function"]["name"] for tool in dialogue.tools}
            called = {
                call["function"]["name"]
                for message in dialogue.messages
                for call in message.get("tool_calls", ())
            }
            assert called
            assert called <= declared


class TestParaphrases:
    def test_are_the_same_for_the_same_seed(self) -> None:
        first = list(paraphrasing.training_pairs(200, seed=1))

        assert first == list(paraphrasing.training_pairs(200, seed=1))

    def test_keep_held_out_texts_out_of_training(self) -> None:
        trained = {
            text
            for pair in paraphrasing.training_pairs(2_000, seed=1)
            for text in (pair.left, pair.right)
        }

        assert not any(map(split.is_held_out, trained))
        assert all(split.is_held_out(pair.left) for pair in paraphrasing.held_out_pairs(50, seed=1))


def _last_answers(kind: Kind, count: int) -> list[str]:
    dialogues = mixture.held_out_dialogues(kind, count, seed=5)
    return [str(one.messages[-1]["content"]) for one in dialogues]


def _is_right_sum(answer: str) -> bool:
    expression, result = answer.split(" = ")
    numbers = [int(number) for number in re.findall(r"\d+", expression)]
    match re.findall(r" ([-+*/]) ", expression):
        case ["+", *_]:
            return sum(numbers) == int(result)
        case ["-"]:
            return numbers[0] - numbers[1] == int(result)
        case ["*"]:
            return numbers[0] * numbers[1] == int(result)
        case signs:
            pytest.fail(f"unexpected signs {signs} in {answer!r}")
