"""From a body of Bifrost's to the work that the engine does: each type in the words of the intake."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias, cast

from genie.core import errors
from genie.tenants.principal import Principal
from inference.specs import ModelSpec
from jobs.dialects import bifrost_deliveries
from jobs.dialects.bifrost import RequestType
from jobs.facades.bifrost import bodies, capabilities
from jobs.facades.bifrost.reading import Read
from jobs.intake import (
    chatting,
    completion,
    embedding,
    media,
    media_bodies,
    reranking,
    responses,
    transcription,
)
from jobs.intake.bodies import ChatBody, CompletionBody, EmbeddingsBody, Submitted, parse
from jobs.intake.media_bodies import ImageBody, SpeechBody, TranscriptionBody
from jobs.intake.reranking import RerankBody
from jobs.intake.submit import Work
from jobs.intake.uploads import Upload

# What base64 makes of so many bytes still fits a delivery, which has a little else to say.
_INLINE_SOUND_BYTES = bifrost_deliveries.INLINE_BYTES * 3 // 4 - 1024
# What ``auto`` may become: the first that the model can make.
_AUTO_SIZES = ("1024x1024", "512x512", "256x256")
_CHAT = (
    *("messages", "temperature", "top_p", "frequency_penalty", "presence_penalty", "stop", "seed"),
    *("max_completion_tokens", "max_tokens", "logprobs", "top_logprobs", "tools", "tool_choice"),
    *("parallel_tool_calls", "response_format"),
)
_TEXT = (
    *("prompt", "max_tokens", "temperature", "top_p", "frequency_penalty", "presence_penalty"),
    *("n", "seed", "stop"),
)
_MOST_LOGPROBS = 5
_MOST_ANSWERS = 8
_RESPONSES = (
    *("input", "instructions", "max_output_tokens", "temperature", "top_p", "tools", "text"),
    *("tool_choice", "parallel_tool_calls"),
)
_RERANK = ("query", "documents", "top_n", "return_documents", "max_tokens_per_doc")
_IMAGE = ("prompt", "negative_prompt", "n", "seed", "response_format", "output_format")


class Wanted(NamedTuple):
    """What is to be submitted."""

    work: Work
    body: Submitted  # the native one
    uploads: dict[str, Upload]


class _Image(ImageBody):
    """A picture of the sizes that this contract adds."""

    size: bodies.ImageSize = "1024x1024"  # type: ignore[assignment] # more than the native ones


async def wanted(principal: Principal, request_type: RequestType, read: Read) -> Wanted:
    """Return what a body asks for.

    Raises:
        Refused: No model serves it, or not the one that is named.
        GenieError: Whatever else the model, the moderation, the key or the budget of tokens refuses.
    """
    spec = capabilities.require(request_type, read.body.model)
    principal.require_model(capabilities.local_name(read.body.model), resolved=spec.id)
    return await _MAKERS[request_type](principal, read, spec)


def _named(read: Read, *names: str) -> dict[str, Any]:
    """Return the fields of these names as they were sent, with the model by its local name."""
    fields = {name: read.asked[name] for name in names if read.asked.get(name) is not None}
    return fields | {"model": capabilities.local_name(read.body.model)}


async def _chat(_principal: Principal, read: Read, spec: ModelSpec) -> Wanted:
    """Prepare a chat; the contract does not name ``n``: it is used where the model can, never refused."""
    fields = _named(read, *_CHAT)
    wanted_answers = read.asked.get("n")
    if (
        type(wanted_answers) is int
        and 1 <= wanted_answers <= _MOST_ANSWERS
        and "n" in spec.capabilities
    ):
        fields["n"] = wanted_answers
    body = parse(ChatBody, fields)
    return Wanted(await chatting.chat_work(body, spec), body, {})


async def _text(_principal: Principal, read: Read, spec: ModelSpec) -> Wanted:
    """Prepare a completion; what is only accepted is used where the model can, and never refused."""
    fields = _named(read, *_TEXT)
    most = cast("bodies.Text", read.body).logprobs
    if most is not None and 0 <= most <= _MOST_LOGPROBS and "logprobs" in spec.capabilities:
        fields["logprobs"] = most
    elif read.asked.get("echo"):
        fields["echo"] = True
    body = parse(CompletionBody, fields)
    return Wanted(await completion.completion_work(body, spec), body, {})


async def _responses(_principal: Principal, read: Read, spec: ModelSpec) -> Wanted:
    body = parse(responses.ResponsesBody, _named(read, *_RESPONSES))
    return Wanted(await responses.work_of(body, spec, background=True), body, {})


async def _embedding(_principal: Principal, read: Read, spec: ModelSpec) -> Wanted:
    body = parse(EmbeddingsBody, _named(read, "input", "encoding_format", "dimensions"))
    return Wanted(await embedding.embedding_work(body, spec), body, {})


async def _rerank(_principal: Principal, read: Read, spec: ModelSpec) -> Wanted:
    body = parse(RerankBody, _named(read, *_RERANK))
    return Wanted(await reranking.work_of(body, spec), body, {})


async def _speech(principal: Principal, read: Read, _spec: ModelSpec) -> Wanted:
    voice = cast("bodies.Speech", read.body).voice
    if isinstance(voice, list):
        if len(voice) > 1:
            raise errors.InvalidRequest.of("voice", "the models here speak with one voice")
        voice = voice[0].voice
    fields = _named(read, "input", "response_format", "speed", "instructions")
    body = parse(SpeechBody, fields | {"voice": voice})
    work = media.speech_work(principal, body)
    work.request["inline_bytes"] = _INLINE_SOUND_BYTES
    return Wanted(work, body, {})


async def _transcription(principal: Principal, read: Read, spec: ModelSpec) -> Wanted:
    (recording, *_) = read.files["file"]
    if not recording.content:
        raise errors.InvalidRequest.of("file", "is empty")
    fields = _named(read, "language", "prompt", "response_format")
    if (marks := _time_marks(read, spec)) is not None:
        fields["timestamp_granularities"] = marks
    body = parse(TranscriptionBody, fields)
    work = await transcription.work_of(principal, body, recording.content)
    return Wanted(work, body, {"audio": recording})


def _time_marks(read: Read, spec: ModelSpec) -> list[str] | None:
    """Return which times are wanted, where the model can tell them; the contract has no word for it."""
    asked = read.asked.get("timestamp_granularities")
    able = {"segment"} | ({"word"} if "word-timestamps" in spec.capabilities else set())
    verbose = read.asked.get("response_format") == "verbose_json"
    return asked if verbose and isinstance(asked, list) and able.issuperset(asked) else None


async def _image(principal: Principal, read: Read, spec: ModelSpec) -> Wanted:
    asked = cast("bodies.ImageGeneration", read.body)
    fields = _named(read, *_IMAGE)
    if asked.size is not None:
        fields["size"] = _auto(spec) if asked.size == "auto" else asked.size
    body = parse(_Image, fields)
    work = await media.image_work(
        principal, body, steps=asked.num_inference_steps, quality=asked.output_compression
    )
    return Wanted(work, body, {})


def _auto(spec: ModelSpec) -> str:
    for size in _AUTO_SIZES:
        sides = media_bodies.dimensions(size)
        if sides.width * sides.height <= spec.media.max_pixels:
            return size
    return _AUTO_SIZES[-1]


_Maker: TypeAlias = Callable[[Principal, Read, ModelSpec], Awaitable[Wanted]]
_MAKERS: dict[RequestType, _Maker] = {
    RequestType.TEXT_COMPLETION: _text,
    RequestType.CHAT_COMPLETION: _chat,
    RequestType.RESPONSES: _responses,
    RequestType.EMBEDDING: _embedding,
    RequestType.SPEECH: _speech,
    RequestType.TRANSCRIPTION: _transcription,
    RequestType.IMAGE_GENERATION: _image,
    RequestType.RERANK: _rerank,
}
