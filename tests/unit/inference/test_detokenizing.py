"""Text from tokens, as they come: never half a character, and nothing lost."""

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from inference.backends.detokenizing import IncrementalText


def _tokenizer() -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["größe 日本語 🙂 hello hello"], trainer)
    return tokenizer


TOKENIZER = _tokenizer()


def pieces_of(ids: list[int]) -> list[str]:
    text = IncrementalText(TOKENIZER)
    return [*(text.push(token_id) for token_id in ids), text.flush()]


@given(text=st.text())
def test_any_text_comes_out_whole_and_without_broken_characters(text: str) -> None:
    ids = TOKENIZER.encode(text).ids

    pieces = pieces_of(ids)

    assert "".join(pieces) == text
    assert "\ufffd" in text or not any("\ufffd" in piece for piece in pieces)


@given(ids=st.lists(st.integers(0, TOKENIZER.get_vocab_size() - 1), max_size=40))
def test_any_tokens_give_what_the_tokenizer_gives(ids: list[int]) -> None:
    assert "".join(pieces_of(ids)) == TOKENIZER.decode(ids, skip_special_tokens=True)


def test_an_incomplete_character_is_held_until_the_end() -> None:
    ids = TOKENIZER.encode("é").ids[:1]

    assert pieces_of(ids) == ["", "\ufffd"]


def test_special_tokens_have_no_text() -> None:
    assert "".join(pieces_of([*TOKENIZER.encode("a").ids, 0])) == "a"


@pytest.mark.parametrize("text", ["🙂", "👩‍🔬", "日本"])
def test_a_character_comes_out_with_its_last_token(text: str) -> None:
    assert "".join(pieces_of(TOKENIZER.encode(text).ids)[:-1]) == text
