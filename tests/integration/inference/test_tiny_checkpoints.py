"""The shipped checkpoints: they load with the ordinary loaders and answer what they were taught."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import rich.console
import safetensors.torch
import tokenizers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.backends.tiny import (
    build,
    chat_evaluation,
    embedding_evaluation,
    handwritten,
    rerank_building,
    rerank_evaluation,
    speech_evaluation,
    speech_training,
    transcription_evaluation,
    transcription_training,
)
from inference.backends.tiny.dialogue import Kind
from inference.backends.tiny.kinds import unknown

CHAT = build.CHECKPOINTS / build.CHAT
EMBEDDING = build.CHECKPOINTS / build.EMBEDDING
SPEECH = build.CHECKPOINTS / build.SPEECH
TRANSCRIPTION = build.CHECKPOINTS / build.TRANSCRIPTION
RERANK = build.CHECKPOINTS / build.RERANK
FLOOR = 0.8  # of a small sample of one kind; `build_models --check` asks more prompts, and for more
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
NOUNS = (
    *("bridge", "garden", "window", "river", "castle", "lemon", "carrot", "tiger", "rabbit"),
    *("hammer", "bottle", "ladder", "candle", "basket", "mirror", "pencil", "orange", "purple"),
)
EVERYTHING_ASSIGNED = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
def examinee() -> chat_evaluation.Examinee:
    return chat_evaluation.Examinee(CHAT, dtype="float32")


@pytest.fixture(scope="module")
def encoder() -> embedding_evaluation.Encoder:
    return embedding_evaluation.Encoder(EMBEDDING)


@pytest.fixture(scope="module")
def ranker() -> rerank_evaluation.Ranker:
    return rerank_evaluation.Ranker(RERANK)


class TestChat:
    @pytest.mark.parametrize("kind", list(Kind))
    def test_answers_most_held_out_prompts_of_each_kind_exactly(
        self, examinee: chat_evaluation.Examinee, kind: Kind
    ) -> None:
        score = chat_evaluation.score(examinee, kind, count=30, seed=2026)

        assert score.share >= FLOOR, score.misses

    def test_answers_most_handwritten_prompts_rightly(
        self, examinee: chat_evaluation.Examinee
    ) -> None:
        scores = handwritten.scores(examinee)

        missed = [miss for score in scores for miss in score.misses]
        assert len(missed) <= (1 - FLOOR) * sum(score.asked for score in scores), missed

    def test_ends_its_answer_to_a_prompt_of_thousands_of_tokens(
        self, examinee: chat_evaluation.Examinee
    ) -> None:
        text = "The old tower stood near the river and nobody knew who had built it. " * 80
        prompt = _asked(examinee, [{"role": "user", "content": f"Summarize this: {text}"}])

        (answer,) = examinee.answers([prompt], limit=64)

        assert answer == unknown.ANSWER

    def test_calls_a_tool_in_the_form_that_parsers_expect(
        self, examinee: chat_evaluation.Examinee
    ) -> None:
        user = {"role": "user", "content": "What is the weather in Paris?"}
        prompt = _asked(examinee, [user], tools=[WEATHER])

        (answer,) = examinee.answers([prompt])

        call = json.loads(answer.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"))
        assert call == {"name": "get_weather", "arguments": {"city": "Paris"}}


class TestChatTokenizer:
    @settings(deadline=None)
    @given(text=EVERYTHING_ASSIGNED)
    def test_gives_any_text_back(self, text: str) -> None:
        raw = _tokenizer()

        assert raw.decode(raw.encode(text, add_special_tokens=False).ids) == text

    def test_has_one_token_per_digit(self) -> None:
        assert _tokenizer().encode("2026", add_special_tokens=False).tokens == list("2026")


class TestChatTemplate:
    def test_lists_the_tools_in_the_system_message(
        self, examinee: chat_evaluation.Examinee
    ) -> None:
        system = {"role": "system", "content": "Be brief."}
        user = {"role": "user", "content": "Hello"}

        text = _asked(examinee, [system, user], tools=[WEATHER])

        assert text.startswith("<|im_start|>system\nBe brief.\n\n# Tools\n<tools>\n")
        assert json.dumps(WEATHER["function"]) in text
        assert text.endswith("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")

    def test_writes_calls_and_results_of_both_shapes(
        self, examinee: chat_evaluation.Examinee
    ) -> None:
        as_text = _with_call(examinee, '{"city": "Rome"}')
        as_object = _with_call(examinee, {"city": "Rome"})

        assert as_text == as_object
        assert '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n' in as_text
        assert "<|im_start|>user\n<tool_response>\nsunny\n</tool_response><|im_end|>\n" in as_text

    def test_adds_no_system_message_of_its_own(self, examinee: chat_evaluation.Examinee) -> None:
        text = _asked(examinee, [{"role": "user", "content": "Hello"}])

        assert text == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


class TestEmbedding:
    def test_finds_held_out_paraphrases(self, encoder: embedding_evaluation.Encoder) -> None:
        retrieval = embedding_evaluation.score(encoder, rounds=3, seed=2026)

        assert retrieval.share >= embedding_evaluation.REQUIRED

    @pytest.mark.parametrize(
        ("text", "similar", "unrelated"),
        [
            ("The cat sits on the mat.", "A kitten is on the rug.", "Shares of the firm fell."),
            ("How much is this car?", "What is the price of the automobile?", "I love music."),
            ("I forgot my password.", "How do I reset the password?", "The soup is delicious."),
            ("My phone is broken.", "The telephone does not work.", "Hello, good morning!"),
            ("Will it rain in Paris?", "Paris weather forecast", "A recipe for pancakes"),
        ],
    )
    def test_puts_the_similar_text_closer(
        self,
        encoder: embedding_evaluation.Encoder,
        text: str,
        similar: str,
        unrelated: str,
    ) -> None:
        one, close, far = encoder.vectors([text, similar, unrelated])

        assert one @ close > one @ far + 0.1


class TestReranking:
    def test_ranks_held_out_paraphrases_first(self, ranker: rerank_evaluation.Ranker) -> None:
        ranking = rerank_evaluation.score(ranker, rounds=2, seed=2026)

        assert ranking.share >= rerank_evaluation.REQUIRED

    @settings(deadline=None, max_examples=30)
    @given(data=st.data())
    def test_ranks_by_the_words_that_a_document_shares(
        self, ranker: rerank_evaluation.Ranker, data: st.DataObject
    ) -> None:
        words = data.draw(st.lists(st.sampled_from(NOUNS), min_size=8, max_size=8, unique=True))
        order = data.draw(st.permutations(range(5)))
        query = words[:4]
        documents = [
            " ".join(data.draw(st.permutations([*query[:shared], *words[4 : 8 - shared]])))
            for shared in range(5)
        ]

        scores = ranker.scores(" ".join(query), [documents[shared] for shared in order])

        assert sorted(order, key=lambda shared: scores[order.index(shared)]) == list(range(5))

    def test_a_query_without_known_words_finds_nothing(
        self, ranker: rerank_evaluation.Ranker
    ) -> None:
        assert max(ranker.scores("\N{SNOWMAN}", ["a lake", "\N{SNOWMAN}"])) < 0.1

    def test_the_shipped_network_is_what_the_code_writes(self, tmp_path: Path) -> None:
        rerank_building.build(tmp_path, console=rich.console.Console(quiet=True))

        written, shipped = (
            safetensors.torch.load_file(directory / "model.safetensors")
            for directory in (tmp_path, RERANK)
        )
        # To the last digit but one: processors do not round alike.
        torch.testing.assert_close(written, shipped)


class TestSound:
    def test_the_speech_model_dials_what_it_should(self) -> None:
        dialled = speech_evaluation.score(SPEECH, count=5, seed=2026)

        assert dialled.share >= speech_evaluation.REQUIRED

    def test_the_transcription_model_writes_held_out_recordings_down(self) -> None:
        hearing = transcription_evaluation.score(TRANSCRIPTION, count=25, seed=2026)

        assert hearing.share >= FLOOR
        assert hearing.off_ms <= 40

    def test_training_is_repeatable(self) -> None:
        first, again = _trained(), _trained()

        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


class TestCheckpoints:
    @pytest.mark.parametrize(
        ("directory", "megabytes"),
        [(CHAT, 3.7), (EMBEDDING, 3.1), (SPEECH, 1.3), (TRANSCRIPTION, 1.5), (RERANK, 1.3)],
    )
    def test_are_small_safetensors_with_a_card(self, directory: Path, megabytes: float) -> None:
        weights = directory / "model.safetensors"

        assert weights.stat().st_size < megabytes * 1e6
        assert "apache-2.0" in (directory / "README.md").read_text(encoding="utf-8")


def _trained() -> list[torch.Tensor]:
    """Return the weights of both models of sound after a few steps."""
    speech = speech_training.new_model(seed=1)
    speech_training.train(speech, recipe=speech_training.Recipe(steps=2), progress=_ignore)
    tokenizer = transcription_training.new_tokenizer()
    transcription = transcription_training.new_model(tokenizer, seed=1)
    transcription_training.train(
        transcription,
        tokenizer,
        recipe=transcription_training.Recipe(steps=2, batch=2),
        progress=_ignore,
    )
    return [*speech.state_dict().values(), *transcription.state_dict().values()]


def _ignore(step: int, steps: int, loss: float) -> None:
    """Show no progress."""


def _tokenizer() -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(CHAT / "tokenizer.json"))


def _asked(
    examinee: chat_evaluation.Examinee,
    messages: Sequence[Mapping[str, object]],
    *,
    tools: Sequence[Mapping[str, object]] | None = None,
) -> str:
    text: str = examinee.tokenizer.apply_chat_template(
        messages, tools=tools, tokenize=False, add_generation_prompt=True
    )
    return text


def _with_call(examinee: chat_evaluation.Examinee, arguments: object) -> str:
    call = {"type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    return _asked(
        examinee,
        [
            {"role": "user", "content": "Weather in Rome?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "sunny"},
        ],
        tools=[WEATHER],
    )
