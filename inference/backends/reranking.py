"""Reranking with transformers: a cross-encoder reads a query with each document and scores the pair."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from inference import inspection, pairs
from inference.backends import devices, loading
from inference.backends.passes import PassBackend, mask_of, padded
from inference.errors import EngineClosed, InputRejected, ModelLoadFailed
from inference.pairs import Asked, Pair
from inference.prompt_tokenizer import PromptTokenizer
from inference.specs import ModelSpec
from inference.types import Request, RerankRequest, RerankResult, Usage


class RerankBackend(PassBackend[Pair, float]):
    """One cross-encoder with a single logit."""

    doing = "scored documents"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._tokenizer: PromptTokenizer | None = None

    def _open(self, directory: Path) -> "_Scorer":
        config = json.loads((directory / "config.json").read_text("utf-8"))
        # Without its head the library would make one up, of random weights.
        if (problem := inspection.head_problem(config)) is not None:
            raise ModelLoadFailed(f"Model {self._spec.id} is no reranker: {problem}")
        self._tokenizer = loading.open_tokenizer(self._spec, directory)
        auto_class = transformers.AutoModelForSequenceClassification
        return _Scorer(loading.open_model(self._spec, auto_class, directory))

    def _result(self, outputs: Sequence[float], usage: Usage) -> RerankResult:
        return RerankResult(scores=tuple(outputs), usage=usage)

    def _inputs_of(self, request: Request) -> list[Pair]:
        if self._tokenizer is None:
            raise EngineClosed
        if not isinstance(request, RerankRequest):
            raise InputRejected(f"Model {self._spec.id} ranks documents only.", field="model")
        if not request.documents:
            raise InputRejected("documents is empty; send at least one.", field="documents")
        asked = Asked(
            query=request.query,
            documents=request.documents,
            context_tokens=self._spec.context_tokens,
            document_tokens=request.document_tokens,
        )
        return list(pairs.encoded(self._tokenizer, asked))


class _Scorer:
    """The model itself: pairs in, one score each out."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._fill = int(getattr(model.config, "pad_token_id", None) or 0)
        # Models that know one type of token, or none, are not told types.
        self._has_types = (getattr(model.config, "type_vocab_size", None) or 0) > 1
        self.memory_bytes = devices.size_of(model)

    def run(self, inputs: Sequence[Pair]) -> list[float]:
        """Return the score of each pair, 0 to 1."""
        rows, device = [pair.ids for pair in inputs], self._model.device
        told = {
            "input_ids": padded(rows, device, fill=self._fill),
            "attention_mask": mask_of(rows, device),
        }
        if self._has_types:
            told["token_type_ids"] = padded([pair.types for pair in inputs], device)
        with torch.inference_mode():
            scores = self._model(**told).logits.squeeze(-1).float().sigmoid()
        if not bool(scores.isfinite().all()):
            raise ArithmeticError("A score is not a number: the number format may be too narrow.")
        found: list[float] = scores.cpu().tolist()
        return found
