"""What echo models make at once and not token by token: vectors of texts, and scores of documents."""

import array
import hashlib
import math
from collections.abc import Sequence

from inference import pairs
from inference.errors import InferenceError, InputRejected
from inference.pairs import Asked
from inference.specs import ModelSpec
from inference.tokenization import EchoCounter
from inference.types import EmbeddingRequest, EmbeddingResult, RerankRequest, RerankResult, Usage


def problem_of(spec: ModelSpec, request: EmbeddingRequest | RerankRequest) -> InferenceError | None:
    """Return why a request cannot run as it is, or None."""
    counter = EchoCounter()
    if isinstance(request, RerankRequest):
        asked = _asked(spec, request)
        if 0 < (found := counter.count_texts([asked.query])) <= asked.longest_query:
            return None
        return InputRejected(
            f"query has {found} tokens; 1 to {asked.longest_query} are allowed.", field="query"
        )
    for number, item in enumerate(request.inputs):
        if not 0 < counter.count_texts([item]) <= spec.context_tokens:
            return InputRejected(
                f"input[{number}] must have 1 to {spec.context_tokens} tokens.",
                field=f"input[{number}]",
            )
    return None


def vectors(request: EmbeddingRequest, width: int) -> EmbeddingResult:
    """Return a vector of each input that depends on it and nothing else."""
    usage = Usage(prompt_tokens=EchoCounter().count_texts(request.inputs))
    made = tuple(_vector(item, request.dimensions or width) for item in request.inputs)
    return EmbeddingResult(vectors=made, usage=usage)


def scores(spec: ModelSpec, request: RerankRequest) -> RerankResult:
    """Return for each document the share of the query's words that it has."""
    usage = Usage(prompt_tokens=pairs.count(EchoCounter(), _asked(spec, request)))
    made = tuple(_overlap(request.query, one) for one in request.documents)
    return RerankResult(scores=made, usage=usage)


def _asked(spec: ModelSpec, request: RerankRequest) -> Asked:
    return Asked(
        query=request.query,
        documents=request.documents,
        context_tokens=spec.context_tokens,
        document_tokens=request.document_tokens,
    )


def _overlap(query: str, document: str) -> float:
    words = set(query.lower().split())
    return len(words & set(document.lower().split())) / len(words) if words else 0.0


def _vector(item: str | Sequence[int], width: int) -> "array.array[float]":
    seed = item if isinstance(item, str) else ",".join(map(str, item))
    size = 4 * width
    raw = hashlib.shake_256(seed.encode()).digest(size)
    numbers = [int.from_bytes(raw[i : i + 4], "big") / 2**31 - 1 for i in range(0, size, 4)]
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return array.array("f", [number / length for number in numbers])
