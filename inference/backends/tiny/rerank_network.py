"""A cross-encoder that is written down, not trained: it scores the share of a query's words that a document has.

BERT's own layers do it, with weights that are chosen. Each token has a code of random signs, so that
only equal tokens have like codes. In the first layer each token of the query looks for its code
among the document's tokens, and looks at ``[CLS]`` where it is not there; what it finds it notes. In
the second ``[CLS]`` takes the mean of these notes, in which rare words count for more. The head turns
the mean into a logit.

Note [Layer norms]
    A layer norm takes the mean of a vector away and divides by its length. So each feature stands
    in two places, as itself and negated, and codes have as many signs of one kind as of the other:
    every mean is 0. Lengths differ by what is noted, which is little beside the code, so that a
    matched token counts slightly less for it, and a further match still always raises the score.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import transformers

POSITIONS = 512
_CODE = 128  # signs of a code, in the first places of a vector
# Features behind the code; number n stands at _CODE + 2n, and negated next to it.
_IN_DOCUMENT, _IN_QUERY, _IS_SPECIAL, _IS_START, _WEIGHT, _FOUND, _SHARE = range(7)
_WIDTH = _CODE + 16
_FILLER = 7  # makes all tokens about as long; the last feature
_SPECIAL_TOKENS = 5  # the first of the vocabulary: [PAD] [UNK] [CLS] [SEP] [MASK]
_UNKNOWN, _START = 1, 2

# Attention looks where a logit is above the others by some: e**14 is a million.
_MATCH = 0.45  # logit for each sign that two codes share; unlike codes share none, give or take 45
_NOWHERE = 0.7 * _MATCH * _CODE  # logit of [CLS]: less than of an equal token, more than of others
_NEVER = 200.0  # logit that is taken from what is not to be looked at
_NOTE = 2.0  # length of what a token notes when it has found itself
_RARE = 2.5  # logit between the most common word and the rarest
_STEEP, _CENTER = 9.0, 0.42  # logit = _STEEP * (share - _CENTER)


def new_model(
    *, seed: int, vocabulary: int, weights: Sequence[float], alike: Mapping[int, int]
) -> transformers.BertForSequenceClassification:
    """Return the network.

    Args:
        seed: Draws the codes.
        vocabulary: How many tokens there are; the first five are the special ones.
        weights: How much each token counts, 0 to 1.
        alike: Tokens that are taken for another one, as synonyms are.
    """
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=1,
        intermediate_size=8,  # not used
        max_position_embeddings=POSITIONS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
        num_labels=1,
        id2label={0: "relevance"},
        label2id={"relevance": 0},
        attn_implementation="sdpa",
    )
    model = transformers.BertForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for module in model.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.weight.fill_(1.0)
        _write_embeddings(model.bert.embeddings, seed=seed, weights=weights, alike=alike)
        finding, sharing = (layer.attention for layer in model.bert.encoder.layer)
        _write_finding(finding)
        _write_sharing(sharing)
        _write_head(model)
    return model.eval()


def _write_embeddings(
    embeddings: torch.nn.Module, *, seed: int, weights: Sequence[float], alike: Mapping[int, int]
) -> None:
    words, types = embeddings.word_embeddings.weight, embeddings.token_type_embeddings.weight
    words[:, :_CODE] = _codes(len(words), seed=seed)
    for token, other in alike.items():
        words[token] = words[other]
    for token, weight in enumerate(weights):
        _set(words[token], _WEIGHT, weight)
        _set(words[token], _FILLER, math.sqrt(2 - weight**2))
    for token in range(_SPECIAL_TOKENS):
        words[token] = 0.0
        _set(words[token], _IS_SPECIAL, 2.0)
        _set(words[token], _FILLER, math.sqrt(_CODE / 2 - 2.0))
    _set(words[_START], _IS_START, 2.0)
    _set(types[0], _IN_QUERY, 1.0)
    _set(types[1], _IN_DOCUMENT, 1.0)


def _codes(count: int, *, seed: int) -> torch.Tensor:
    """Return codes of +1 and -1, as many of one as of the other. float32, [count, _CODE]."""
    generator = torch.Generator().manual_seed(seed)
    signs = torch.ones(_CODE)
    signs[_CODE // 2 :] = -1.0
    order = torch.rand(count, _CODE, generator=generator).argsort(dim=1)
    return signs[order]


def _write_finding(attention: torch.nn.Module) -> None:
    """Write the layer in which each token of the query looks for itself in the document."""
    looks, notes = attention.self, attention.output.dense
    scale = math.sqrt(_WIDTH)  # attention divides by it
    for place in range(_CODE):
        looks.query.weight[place, place] = _MATCH * scale
        looks.key.weight[place, place] = 1.0
    # One more place, the same for whoever looks: where it may look at all.
    looks.query.bias[_CODE] = scale
    _read(looks.key.weight[_CODE], _IN_QUERY, -_NEVER)
    _read(looks.key.weight[_CODE], _IS_SPECIAL, -_NEVER)
    _read(looks.key.weight[_CODE], _IS_START, _NEVER * 1.5 + _NOWHERE / 2)
    _read(looks.value.weight[0], _IN_DOCUMENT, 1.0)
    _note(notes.weight, _FOUND, source=0, size=_NOTE)


def _write_sharing(attention: torch.nn.Module) -> None:
    """Write the layer in which [CLS] takes the mean of what the query's tokens have noted.

    A query of unknown words alone has but special tokens to look at, which note nothing.
    """
    looks, notes = attention.self, attention.output.dense
    looks.query.bias[0] = math.sqrt(_WIDTH)
    _read(looks.key.weight[0], _IN_DOCUMENT, -4 * _NEVER)
    _read(looks.key.weight[0], _IS_SPECIAL, -_NEVER)
    _read(looks.key.weight[0], _WEIGHT, _RARE)
    _read(looks.value.weight[0], _FOUND, 1.0)
    _note(notes.weight, _SHARE, source=0, size=1.0)


def _write_head(model: transformers.BertForSequenceClassification) -> None:
    """Write the head; tanh is nearly straight for what is this small."""
    small = 0.05
    _read(model.bert.pooler.dense.weight[0], _SHARE, small)
    model.classifier.weight[0, 0] = _STEEP / small / _NOTE
    model.classifier.bias[0] = -_STEEP * _CENTER


def _set(vector: torch.Tensor, feature: int, value: float) -> None:
    """Give a vector a feature. See Note [Layer norms]."""
    place = _CODE + 2 * feature
    vector[place], vector[place + 1] = value, -value


def _read(row: torch.Tensor, feature: int, factor: float) -> None:
    """Have a row of a matrix read a feature, times a factor."""
    place = _CODE + 2 * feature
    row[place], row[place + 1] = factor / 2, -factor / 2


def _note(matrix: torch.Tensor, feature: int, *, source: int, size: float) -> None:
    """Have a matrix write a feature from one place of what it is given."""
    place = _CODE + 2 * feature
    matrix[place, source], matrix[place + 1, source] = size, -size
