"""Measures whether a reranking checkpoint puts the text of one meaning before all others."""

from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from inference.backends.tiny import paraphrasing

REQUIRED = 0.8  # share of held-out texts that rank their own paraphrase first
CANDIDATES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How often the best document was the right one."""

    asked: int
    found: int

    @property
    def share(self) -> float:
        """Right answers out of all, 0 to 1."""
        return self.found / self.asked


class Ranker:
    """A loaded checkpoint that scores documents for a query."""

    def __init__(self, directory: Path) -> None:
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        self._model = transformers.AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32
        )
        self._model.eval()

    def scores(self, query: str, documents: list[str]) -> list[float]:
        """Return a score of each document, 0 to 1."""
        batch = self._tokenizer(
            [query] * len(documents), documents, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            found: list[float] = self._model(**batch).logits.squeeze(-1).sigmoid().tolist()
        return found


def score(ranker: Ranker, *, rounds: int, seed: int) -> Ranking:
    """Return how many held-out texts rank their paraphrase first among CANDIDATES."""
    found = 0
    for at in range(rounds):
        pairs = list(paraphrasing.held_out_pairs(CANDIDATES, seed=seed + at))
        documents = [pair.right for pair in pairs]
        for own, pair in enumerate(pairs):
            scores = ranker.scores(pair.left, documents)
            found += scores.index(max(scores)) == own
    return Ranking(asked=rounds * CANDIDATES, found=found)
