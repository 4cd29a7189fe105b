"""Embeddings with transformers: the mean of an input's hidden states, as a vector of length 1."""

import array
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from inference.backends import devices, loading
from inference.backends.passes import PassBackend, mask_of, padded
from inference.errors import EngineClosed, InputRejected
from inference.prompt_tokenizer import PromptTokenizer
from inference.specs import ModelSpec
from inference.types import EmbeddingRequest, EmbeddingResult, Request, Usage


@dataclasses.dataclass(frozen=True, slots=True)
class _Text:
    """One input, and how much of its vector is wanted."""

    ids: Sequence[int]
    dimensions: int | None


class EmbeddingBackend(PassBackend[_Text, "array.array[float]"]):
    """One encoder, and what it takes: its width, its vocabulary, its tokenizer."""

    doing = "made embeddings"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._tokenizer: PromptTokenizer | None = None
        self._width = 0
        self._vocabulary = 0

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do beyond plain embedding."""
        return frozenset({"dimensions"})

    def _open(self, directory: Path) -> "_Encoder":
        self._tokenizer = loading.open_tokenizer(self._spec, directory)
        model = loading.open_model(self._spec, transformers.AutoModel, directory)
        self._width, self._vocabulary = model.config.hidden_size, model.config.vocab_size
        return _Encoder(model)

    def _result(self, outputs: Sequence["array.array[float]"], usage: Usage) -> EmbeddingResult:
        return EmbeddingResult(vectors=tuple(outputs), usage=usage)

    def _inputs_of(self, request: Request) -> list[_Text]:
        if self._tokenizer is None:
            raise EngineClosed
        if not isinstance(request, EmbeddingRequest):
            raise InputRejected(f"Model {self._spec.id} makes embeddings only.", field="model")
        if request.dimensions is not None and not 1 <= request.dimensions <= self._width:
            raise InputRejected(
                f"dimensions is {request.dimensions}; model {self._spec.id} has {self._width}.",
                field="dimensions",
            )
        if not request.inputs:
            raise InputRejected("input is empty; send at least one text.", field="input")
        return [
            _Text(self._checked_ids(item, number, self._tokenizer), request.dimensions)
            for number, item in enumerate(request.inputs)
        ]

    def _checked_ids(
        self, item: str | Sequence[int], number: int, tokenizer: PromptTokenizer
    ) -> list[int]:
        ids = tokenizer.text_ids(item) if isinstance(item, str) else list(item)
        problem = None
        if not ids:
            problem = "is empty"
        elif len(ids) > self._spec.context_tokens:
            problem = f"has {len(ids)} tokens; at most {self._spec.context_tokens} are allowed"
        elif not all(0 <= token_id < self._vocabulary for token_id in ids):
            problem = f"has a token id outside 0 to {self._vocabulary - 1}"
        if problem:
            raise InputRejected(f"input[{number}] {problem}.", field=f"input[{number}]")
        return ids


class _Encoder:
    """The model itself: token ids in, one vector per input out."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.memory_bytes = devices.size_of(model)

    def run(self, inputs: Sequence[_Text]) -> list["array.array[float]"]:
        """Return the mean of each input's hidden states, cut as wanted and of length 1."""
        with torch.inference_mode():
            means = self._means([one.ids for one in inputs])
        return [_finished(mean, one.dimensions) for mean, one in zip(means, inputs, strict=True)]

    def _means(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the mean of each row's hidden states. float32, [rows, width], on CPU."""
        mask = mask_of(rows, self._model.device)
        ids = padded(rows, self._model.device)
        hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1)
        return ((hidden * weights).sum(1) / weights.sum(1)).cpu()


def _finished(vector: torch.Tensor, dimensions: int | None) -> "array.array[float]":
    """Cut a vector to its leading dimensions and bring it to length 1."""
    kept = torch.nn.functional.normalize(vector[:dimensions], dim=0)
    return array.array("f", kept.tolist())
