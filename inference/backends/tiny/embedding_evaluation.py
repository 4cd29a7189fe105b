"""Measures whether an embedding checkpoint puts texts of one meaning next to each other."""

from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from inference.backends.tiny import embedding_training, paraphrasing

REQUIRED = 0.9  # share of held-out texts whose nearest of all candidates is their own paraphrase
CANDIDATES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """How often the nearest text was the right one."""

    asked: int
    found: int

    @property
    def share(self) -> float:
        """Right answers out of all, 0 to 1."""
        return self.found / self.asked


class Encoder:
    """A loaded checkpoint that turns texts into unit vectors."""

    def __init__(self, directory: Path) -> None:
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        self._model = transformers.AutoModel.from_pretrained(directory)
        self._model.eval()

    def vectors(self, texts: list[str]) -> torch.Tensor:
        """Return unit vectors, float32, [texts, 128]."""
        with torch.inference_mode():
            return embedding_training.embed(self._model, self._tokenizer, texts)


def score(encoder: Encoder, *, rounds: int, seed: int) -> Retrieval:
    """Return how many held-out texts find their paraphrase among CANDIDATES."""
    found = 0
    for at in range(rounds):
        pairs = list(paraphrasing.held_out_pairs(CANDIDATES, seed=seed + at))
        left = encoder.vectors([pair.left for pair in pairs])
        right = encoder.vectors([pair.right for pair in pairs])
        nearest = (left @ right.mT).argmax(dim=1)
        found += int((nearest == torch.arange(CANDIDATES)).sum())
    return Retrieval(asked=rounds * CANDIDATES, found=found)
