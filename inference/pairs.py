"""A query with each of its documents, as cross-encoders read them: cut, counted and encoded, without torch.

The query is read whole. A document is cut at its end where the two do not fit the model together, or
where its caller wants no more of it to be read.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from inference.errors import InputRejected
from inference.prompt_tokenizer import PromptTokenizer
from inference.tokenization import EchoCounter, TokenCounter

_SPECIAL_TOKENS_OF_A_TEXT = 8  # more than any post-processor adds for one of the two


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """A query and a document as one input of the model."""

    ids: Sequence[int]
    types: Sequence[int]  # 0: the query's side, 1: the document's


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be scored, and how much of it may be read."""

    query: str
    documents: Sequence[str]
    context_tokens: int  # of a pair
    document_tokens: int | None = None  # of a document; None: as many as fit

    @property
    def longest_query(self) -> int:
        """The tokens that a query may have: half of a pair, so that documents have the other."""
        return self.context_tokens // 2

    def room(self, query_tokens: int, special_tokens: int = 0) -> int:
        """Return how many tokens of a document are read; less than 1 if the query leaves none."""
        room = self.context_tokens - query_tokens - special_tokens
        return room if self.document_tokens is None else min(room, self.document_tokens)


def query_tokens(counter: TokenCounter, query: str) -> int:
    """Return the tokens of a query, special ones aside; a bound where the tokenizer is not here."""
    if isinstance(counter, PromptTokenizer):
        return len(counter.encode_plain(query).ids)
    return counter.count_texts([query])


def upper_bound(counter: TokenCounter, asked: Asked) -> int:
    """Return at least the tokens that are read, in little time."""
    query = counter.upper_bound_texts([asked.query])
    most = asked.context_tokens
    if asked.document_tokens is not None:
        most = min(most, asked.document_tokens + _SPECIAL_TOKENS_OF_A_TEXT)
    return sum(
        min(query + min(counter.upper_bound_texts([one]), most), asked.context_tokens)
        for one in asked.documents
    )


def count(counter: TokenCounter, asked: Asked) -> int:
    """Return the tokens that are read, special ones included; a bound where the tokenizer is not here.

    Raises:
        InputRejected: the query is too long.
    """
    if isinstance(counter, PromptTokenizer):
        return sum(len(pair.ids) for pair in encoded(counter, asked))
    if isinstance(counter, EchoCounter):
        query = counter.count_texts([asked.query])
        room = asked.room(query)
        return sum(query + min(counter.count_texts([one]), room) for one in asked.documents)
    return upper_bound(counter, asked)


def encoded(tokenizer: PromptTokenizer, asked: Asked) -> Iterator[Pair]:
    """Yield the pairs, in the order of the documents; control tokens that callers write are plain text.

    Raises:
        InputRejected: the query is too long.
    """
    query = tokenizer.encode_plain(asked.query)
    room = asked.room(len(query.ids), tokenizer.raw.num_special_tokens_to_add(is_pair=True))
    if len(query.ids) > asked.longest_query or room < 1:
        raise InputRejected(
            f"query has {len(query.ids)} tokens; at most {asked.longest_query} are allowed.",
            field="query",
        )
    for text in asked.documents:
        document = tokenizer.encode_plain(text)
        document.truncate(room)
        yield _joined(tokenizer.raw.post_process(query, document))


def _joined(whole: Any) -> Pair:
    """Return an encoding with its types; some post-processors leave those of a document at 0."""
    ids: list[int] = whole.ids
    sides: list[int | None] = whole.sequence_ids
    begins = sides.index(1) if 1 in sides else len(sides)
    return Pair(ids, [0] * begins + [1] * (len(ids) - begins))
