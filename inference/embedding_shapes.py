"""What an embedding model can take and give, as its files tell, without torch."""

import dataclasses
import functools
from pathlib import Path

from inference import tokenization
from inference.prompt_tokenizer import read_json
from inference.specs import ModelSpec


@dataclasses.dataclass(frozen=True, slots=True)
class EmbeddingShape:
    """What an embedding model can take and give."""

    vocabulary: int  # token ids are below it
    width: int  # dimensions of a whole vector


def embedding_shape(spec: ModelSpec) -> EmbeddingShape | None:
    """Return the shape that a checkpoint's config.json tells; None where it is not on this machine."""
    directory = tokenization.checkpoint_directory(spec) if spec.backend != "echo" else None
    return _shape_in(directory) if directory is not None else None


def vocabulary_size(spec: ModelSpec) -> int | None:
    """Return how many token ids a model has; None where its config.json is not on this machine."""
    shape = embedding_shape(spec)
    return shape.vocabulary if shape is not None else None


@functools.lru_cache(maxsize=64)
def _shape_in(directory: Path) -> EmbeddingShape | None:
    config = read_json(directory / "config.json")
    vocabulary, width = config.get("vocab_size"), config.get("hidden_size")
    if not isinstance(vocabulary, int) or not isinstance(width, int):
        return None
    return EmbeddingShape(vocabulary, width)
