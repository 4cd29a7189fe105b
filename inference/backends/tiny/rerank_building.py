"""Makes the reranking checkpoint's directory: tokenizer, words and their weights, network, measurement, card."""

import collections
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import rich.console
import torch
import transformers

from inference.backends.tiny import (
    embedding_training,
    paraphrasing,
    rerank_cards,
    rerank_evaluation,
    rerank_network,
    words,
)

SEED = 24
_PAIRS = 12_000  # of paraphrases, to know words and how rare they are
_CARD_ROUNDS, _CARD_SEED = 8, 7
_SYNONYMS = ("synonyms", "adjective_synonyms", "verb_synonyms")


def build(directory: Path, *, console: rich.console.Console, seed: int = SEED) -> None:
    """Write the reranking model down and save it with its tokenizer and card."""
    texts = _texts(_PAIRS, seed=seed)
    console.print(f"Counting the words of {len(texts)} texts for the reranking model")
    tokenizer = embedding_training.train_tokenizer(texts, tells_types=True)
    model = new_model(tokenizer, texts, seed=seed)
    # Signs and a few round numbers lose nothing that matters by it.
    model.to(torch.bfloat16).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    console.print("Measuring the reranking model on held-out texts")
    ranking = rerank_evaluation.score(
        rerank_evaluation.Ranker(directory), rounds=_CARD_ROUNDS, seed=_CARD_SEED
    )
    card = rerank_cards.card(
        seed=seed, ranking=ranking, weights=model.num_parameters(), vocabulary=len(tokenizer)
    )
    (directory / "README.md").write_text(card, encoding="utf-8")


def new_model(
    tokenizer: transformers.PreTrainedTokenizerFast, texts: Sequence[str], *, seed: int
) -> transformers.BertForSequenceClassification:
    """Return the network for a tokenizer, which has words of these texts."""
    vocabulary = len(tokenizer)
    return rerank_network.new_model(
        seed=seed,
        vocabulary=vocabulary,
        weights=_rarity(tokenizer, texts, vocabulary=vocabulary),
        alike=_alike(tokenizer.get_vocab()),
    )


def _texts(pairs: int, *, seed: int) -> list[str]:
    made = paraphrasing.training_pairs(pairs, seed=seed)
    return [text for pair in made for text in (pair.left, pair.right)]


def _rarity(
    tokenizer: transformers.PreTrainedTokenizerFast, texts: Iterable[str], *, vocabulary: int
) -> list[float]:
    """Return how rare each token is: 1 in no text, 0 in every one, by logarithms of counts."""
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    found = collections.Counter(token for ids in encoded for token in set(ids))
    whole = math.log(1 + len(encoded))
    return [1 - math.log(1 + found[token]) / whole for token in range(vocabulary)]


def _alike(known: dict[str, int]) -> dict[int, int]:
    """Return the synonyms that are one token each, with the first of their group."""
    found: dict[int, int] = {}
    for key in _SYNONYMS:
        for group in words.table("paraphrases")[key]:
            tokens = [known[word] for word in group if word in known and known[word] not in found]
            found |= dict.fromkeys(tokens[1:], tokens[0]) if tokens else {}
    return found
