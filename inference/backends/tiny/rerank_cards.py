"""Writes the reranking model's card."""

import torch
import transformers

from inference.backends.tiny import rerank_evaluation
from inference.backends.tiny.rerank_evaluation import Ranking

_CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-ranking
---
# genie-tiny-rerank

A real, very small cross-encoder (BERT architecture for sequence classification with one label, 2 layers
of width 144, {weights} weights in bfloat16, a WordPiece vocabulary of {vocabulary}, 512 positions). It was
written down, not trained: each token has a code of random signs; the first layer has each token of the
query look for its own among the document's, the second takes the mean over the query, in which rare
words count for more, and the head makes a logit of it. So its score is the share of the query's words
that the document has, about 200 synonyms included, whatever their order. It understands nothing else.

Built by `python manage.py build_models` (code: `inference/backends/tiny/`); how rare words are was counted
in synthetic paraphrases, and no outside text or weights went into it. Licence: Apache-2.0, like the
code.

| | |
| --- | --- |
| seed | {seed} |
| built with | torch {torch}, transformers {transformers} |

## Measured

{found} of {asked} held-out texts ({share:.1%}) rank their own paraphrase first among {candidates}.
`build_models --check --seed N` repeats this on other texts.

The same code and library versions give the same weights.
"""


def card(*, seed: int, ranking: Ranking, weights: int, vocabulary: int) -> str:
    """Return the card."""
    return _CARD.format(
        seed=seed,
        found=ranking.found,
        asked=ranking.asked,
        share=ranking.share,
        candidates=rerank_evaluation.CANDIDATES,
        weights=f"{weights:,}",
        vocabulary=vocabulary,
        torch=torch.__version__,
        transformers=transformers.__version__,
    )
