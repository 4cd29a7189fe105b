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
    RERANK = "rerank"


class FinishReason(enum.StrEnum):
    """Why a generation ended by itself."""

    STOP = "stop"  # the model ended its turn, or a stop string was reached
    LENGTH = "length"  # max_tokens were generated
    TOOL_CALLS = "tool_calls"  # the model ended its turn with calls


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
    logprobs: int | None = None  # tell each token's, and those of so many likely others; None: no


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """The tools that an answer may call, and whether it must."""

    tools: tuple[Mapping[str, Any], ...]  # in OpenAI's shape, at least one
    required: bool = False  # the answer is one call or more
    named: str | None = None  # the answer is one call, of this tool
    parallel: bool = True  # more than one call may be made


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One chat completion. `messages` have OpenAI's shape, with each content flattened to text."""

    request_id: str  # unique within the process while the request is alive
    model: str  # a resolved id, never an alias
    messages: tuple[Mapping[str, Any], ...]
    sampling: SamplingParams
    schema: Mapping[str, Any] | None = None  # the answer is JSON that satisfies it
    tool_use: ToolUse | None = None
    n: int = 1  # answers, each with a seed of its own; the engine runs them side by side


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """Texts that go on from prompts, each a text or token ids, without a chat template."""

    request_id: str
    model: str
    prompts: tuple[str | tuple[int, ...], ...]  # at least one
    sampling: SamplingParams
    echo: bool = False  # each answer begins with its prompt
    n: int = 1  # answers to each prompt, in order of the prompts


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """Vectors for a list of inputs, each a text or token ids."""

    request_id: str
    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None  # keep this many leading dimensions, then normalise again


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """How well each of some documents answers a query. What is too long is cut at its end."""

    request_id: str
    model: str
    query: str  # not empty; at most half of the model's context
    documents: tuple[str, ...]  # at least one, none empty
    document_tokens: int | None = None  # of each document at most; None: as many as fit


class ImageFormat(enum.StrEnum):
    """How a picture is written down."""

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"


class Container(enum.StrEnum):
    """How a video is written down."""

    MP4 = "mp4"
    WEBM = "webm"


class SoundFormat(enum.StrEnum):
    """How sound is written down."""

    MP3 = "mp3"
    OPUS = "opus"  # in Ogg
    AAC = "aac"
    FLAC = "flac"
    WAV = "wav"
    PCM = "pcm"  # 16 bits, little-endian, one channel, 24 kHz, no header


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """Pictures of one prompt; picture number i is made with seed + i."""

    request_id: str
    model: str
    prompt: str
    negative_prompt: str = ""
    width: int  # pixels
    height: int
    count: int = 1  # at least 1
    steps: int  # of the scheduler, at least 1
    seed: int
    format: ImageFormat = ImageFormat.PNG
    quality: int | None = None  # 0 to 100, of formats with losses; None: the usual


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest:
    """A video of a prompt, or from one picture on, or from one picture to another."""

    request_id: str
    model: str
    prompt: str
    negative_prompt: str = ""
    width: int  # pixels
    height: int
    duration_ms: int  # how long it is shown; at least one frame
    seed: int
    start_image: bytes | None = None  # an encoded picture, as it was sent
    end_image: bytes | None = None
    format: Container = Container.MP4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    """A text to be spoken."""

    request_id: str
    model: str
    text: str
    voice: str | None = None  # one of the model's; None is its first
    speed: float = 1.0  # 0.25 to 4
    seed: int
    format: SoundFormat = SoundFormat.MP3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest:
    """A recording to be written down."""

    request_id: str
    model: str
    audio: bytes  # an encoded recording, as it was sent
    duration_ms: int  # at most so long: what is behind it is not listened to
    language: str | None = None  # ISO 639-1; None: the model finds out
    prompt: str = ""  # words to expect
    temperature: float = 0.0
    with_words: bool = False  # times of each word beside those of the segments
    seed: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Work done, in the model's own tokens, and for media in parts of its price's unit."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    parts: int = 0  # of Unit: pixel-steps, pixel-milliseconds, milliseconds, or characters

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call that a model makes."""

    name: str
    arguments: str  # JSON as the model wrote it; only the token limit can leave it incomplete


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """A token, and how likely the model held it to be, before anything was done to its choice."""

    token: str
    raw: bytes  # may be part of a character
    logprob: float  # natural


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """One token of an answer, with those that were most likely in its place."""

    chosen: Likelihood
    top: tuple[Likelihood, ...]
    end: int  # characters of the answer's script that are told once this token is complete
    offset: int = 0  # characters of the answer's text before it


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChatResult:
    """A finished chat answer. All deltas joined are its script (``inference.scripts``)."""

    text: str
    finish_reason: FinishReason
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()  # of the tokens of the text, where they were asked for


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChoicesResult:
    """Several finished answers to one request, in order; their deltas are one script."""

    choices: tuple[ChatResult, ...]
    usage: Usage  # of all together; a prompt counts once


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingResult:
    """One float32 vector of length 1 per input, in input order."""

    vectors: tuple["array.array[float]", ...]  # typecode "f"
    usage: Usage


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RerankResult:
    """One score per document, in the order of the documents."""

    scores: tuple[float, ...]  # 0 to 1; higher is more relevant
    usage: Usage  # of all pairs of query and document that were read


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """One picture, video or recording."""

    content: bytes
    media_type: str  # such as image/png
    width: int | None = None  # pixels, of what is seen
    height: int | None = None
    duration_ms: int | None = None  # of what takes time


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MediaResult:
    """What an image, video or speech model made, in the order that was asked for."""

    files: tuple[MediaFile, ...]
    usage: Usage


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of a transcript, with its time in the recording."""

    start_ms: int
    end_ms: int
    text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How a stretch of a recording came to be written down; all segments of the stretch share it."""

    seek: int  # frames of the recording's spectrogram before the stretch
    temperature: float  # at which its text was written
    logprob: float  # natural; mean of its tokens, its end included, before any temperature
    repetition: float  # bytes of its text over those of the compressed text
    silence: float  # how likely the model held it that nobody speaks, 0 to 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Span):
    """A sentence or so of a transcript."""

    tokens: tuple[int, ...]  # of its text, as the model's tokenizer numbers them
    decoding: Decoding


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionResult:
    """A recording, written down."""

    text: str
    language: str  # ISO 639-1
    duration_ms: int  # of the recording
    segments: tuple[Segment, ...]
    words: tuple[Span, ...] = ()  # where they were asked for
    usage: Usage


Request = (
    ChatRequest
    | CompletionRequest
    | EmbeddingRequest
    | RerankRequest
    | ImageRequest
    | VideoRequest
    | SpeechRequest
    | TranscriptionRequest
)
Result = (
    ChatResult | ChoicesResult | EmbeddingResult | RerankResult | MediaResult | TranscriptionResult
)
