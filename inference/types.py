"""The values that cross the engine's edge: requests in, deltas, results and usage out."""

import array
import dataclasses
import enum
from collections.abc import Mapping
from typing import Any


class Modality(enum.StrEnum):
    """What a model makes. The value is the name of the queue its jobs wait in, too."""

    CHAT = "chat"
    EMBEDDING = "embedding"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


class FinishReason(enum.StrEnum):
    """Why a generation ended by itself."""

    STOP = "stop"  # the model ended its turn, or a stop string was reached
    LENGTH = "length"  # max_tokens were generated


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How to choose the tokens of one chat answer. Ranges are checked before a job is admitted."""

    max_tokens: int  # at least 1; generated tokens, whatever they decode to
    min_tokens: int = 0  # the model may not end its turn before this many
    temperature: float = 1.0  # 0 is greedy: always the most likely token
    top_p: float = 1.0  # sample from the smallest set of tokens with at least this probability
    stop: tuple[str, ...] = ()  # the text ends just before the first of these
    seed: int | None = None  # same seed and same request: same text
    presence_penalty: float = 0.0  # taken once from the logit of each token generated before
    frequency_penalty: float = 0.0  # taken once per earlier occurrence


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One chat completion. `messages` have OpenAI's shape, with each content flattened to text."""

    request_id: str  # unique within the process while the request is alive
    model: str  # a resolved id, never an alias
    messages: tuple[Mapping[str, Any], ...]
    sampling: SamplingParams


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """Vectors for a list of inputs, each a text or token ids."""

    request_id: str
    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None  # keep this many leading dimensions, then normalise again


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Work done, in the model's own tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChatResult:
    """A finished chat answer; `text` is all deltas joined."""

    text: str
    finish_reason: FinishReason
    usage: Usage


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingResult:
    """One float32 vector of length 1 per input, in input order."""

    vectors: tuple["array.array[float]", ...]  # typecode "f"
    usage: Usage


Request = ChatRequest | EmbeddingRequest
Result = ChatResult | EmbeddingResult
