"""How much of a query and its documents is read: counted, bounded, and cut alike everywhere."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import pairs
from inference.backends.tiny import build
from inference.errors import InputRejected
from inference.pairs import Asked
from inference.prompt_tokenizer import PromptTokenizer
from inference.tokenization import BoundCounter, EchoCounter, TokenCounter

DIRECTORY = build.CHECKPOINTS / build.RERANK


@pytest.fixture(scope="module")
def tokenizer() -> PromptTokenizer:
    return PromptTokenizer(DIRECTORY, template_options={})


def asked(query: str = "one two", *documents: str, **changes: Any) -> Asked:
    return Asked(query=query, documents=documents, **({"context_tokens": 16} | changes))


class TestEncoded:
    def test_is_what_the_tokenizer_itself_makes_of_a_pair(self, tokenizer: PromptTokenizer) -> None:
        whole = tokenizer.raw.encode("the cat", "a dog barks")

        (pair,) = pairs.encoded(tokenizer, asked("the cat", "a dog barks"))

        assert (pair.ids, pair.types) == (whole.ids, whole.type_ids)

    @pytest.mark.parametrize(("document_tokens", "length"), [(None, 16), (4, 9), (1, 6)])
    def test_cuts_documents_at_their_end(
        self, tokenizer: PromptTokenizer, document_tokens: int | None, length: int
    ) -> None:
        document = "red green blue " * 20

        (pair,) = pairs.encoded(
            tokenizer, asked("the cat", document, document_tokens=document_tokens)
        )

        assert len(pair.ids) == length
        assert pair.ids[4:-1] == tokenizer.encode_plain(document).ids[: length - 5]

    def test_refuses_a_query_that_leaves_documents_less_than_half(
        self, tokenizer: PromptTokenizer
    ) -> None:
        with pytest.raises(InputRejected, match="query has 9 tokens; at most 8 are allowed") as one:
            list(pairs.encoded(tokenizer, asked("the " * 9, "a")))

        assert one.value.field == "query"

    def test_takes_control_tokens_of_callers_for_text(self, tokenizer: PromptTokenizer) -> None:
        separator = tokenizer.raw.token_to_id("[SEP]")
        assert separator is not None

        (pair,) = pairs.encoded(tokenizer, asked("the [SEP] cat", "a [SEP]"))

        assert list(pair.ids).count(separator) == 2
        assert pair.types[0] == 0

    def test_an_empty_document_is_a_pair(self, tokenizer: PromptTokenizer) -> None:
        (pair,) = pairs.encoded(tokenizer, asked("the cat", " "))

        assert len(pair.ids) == 5


class TestCounts:
    @settings(max_examples=30, deadline=None)
    @given(
        query=st.text(min_size=1, max_size=12),
        documents=st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=3),
        document_tokens=st.none() | st.integers(1, 20),
    )
    def test_are_those_of_the_pairs_and_within_the_bound(
        self,
        tokenizer: PromptTokenizer,
        query: str,
        documents: list[str],
        document_tokens: int | None,
    ) -> None:
        one = asked(query, *documents, context_tokens=40, document_tokens=document_tokens)
        if pairs.query_tokens(tokenizer, query) > one.longest_query:
            return
        exact = sum(len(pair.ids) for pair in pairs.encoded(tokenizer, one))

        assert pairs.count(tokenizer, one) == exact
        for counter in (tokenizer, BoundCounter()):
            assert exact <= pairs.upper_bound(counter, one) <= 40 * len(documents)

    @pytest.mark.parametrize(("document_tokens", "count"), [(None, 2 * 2 + 3 + 14), (2, 2 * 2 + 4)])
    def test_of_echo_models_are_words(self, document_tokens: int | None, count: int) -> None:
        one = asked("a b", "c d e", "f " * 30, document_tokens=document_tokens)

        assert pairs.count(EchoCounter(), one) == count

    def test_without_a_tokenizer_are_the_bound(self) -> None:
        counter: TokenCounter = BoundCounter()
        one = asked("a b", "c d e")

        assert pairs.count(counter, one) == pairs.upper_bound(counter, one) == 16
