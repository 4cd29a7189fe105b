"""The bodies of the routes for pictures, videos and sound. Strict: an unknown field is refused.

The routes for sound have OpenAI's shape and ignore what they do not know, as its clients expect.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator

from inference.types import SoundFormat
from jobs.intake.bodies import Loose, Name, Submitted

DEFAULT_IMAGE_MODEL = "flux-schnell"
DEFAULT_VIDEO_MODEL = "wan-2.1"
MAX_SECONDS = 15

_SIZE = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})")
_SMALLEST_SIDE, _LARGEST_SIDE = 64, 4096


def _worded(text: str) -> str:
    """Refuse what says nothing: blanks and control characters alone."""
    if not any(one.isprintable() and not one.isspace() for one in text):
        raise ValueError("must not be blank")
    return text


Prompt = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_worded)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _size(value: Any) -> str:
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not all(
        _SMALLEST_SIDE <= int(side) <= _LARGEST_SIDE for side in found.groups()
    ):
        raise ValueError(
            f"must be WIDTHxHEIGHT in pixels, such as 1280x720, each {_SMALLEST_SIDE} to {_LARGEST_SIDE}"
        )
    return found[0]


# Any that has two sides of 64 to 4096 pixels.
Size = Annotated[
    str,
    PlainValidator(
        _size, json_schema_input_type=Annotated[str, Field(pattern=f"^{_SIZE.pattern}$")]
    ),
]


class Strict(Submitted):
    """A body that refuses what it does not know."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class ImageBody(Strict):
    """POST /v1/images/generations."""

    model: Name = DEFAULT_IMAGE_MODEL
    prompt: Prompt
    negative_prompt: Annotated[str, Field(max_length=4000)] | None = None
    n: Annotated[int, Field(ge=1, le=10)] = 1
    size: Literal["256x256", "512x512", "1024x1024", "1792x1024", "1024x1792"] = "1024x1024"
    seed: Seed | None = None
    response_format: Literal["url", "b64_json"] = "url"
    output_format: Literal["png", "webp", "jpeg"] = "png"


class VideoBody(Strict):
    """POST /v1/videos/generations."""

    model: Name = DEFAULT_VIDEO_MODEL
    prompt: Prompt
    negative_prompt: Annotated[str, Field(max_length=4000)] | None = None
    duration_seconds: Annotated[float, Field(ge=1, le=MAX_SECONDS, allow_inf_nan=False)] = 4
    size: Size = "512x512"
    seed: Seed | None = None


class TransitionBody(Strict):
    """POST /v1/videos/transitions."""

    model: Name = DEFAULT_VIDEO_MODEL
    start_image: Annotated[str, Field(min_length=1)]
    end_image: Annotated[str, Field(min_length=1)] | None = None
    prompt: Annotated[str, Field(max_length=2000)] = ""
    duration_seconds: Annotated[float, Field(ge=1, le=MAX_SECONDS, allow_inf_nan=False)] = 4
    size: Literal["512x512", "720x720", "1280x720", "1920x1080"] = "512x512"
    seed: Seed | None = None


class AnySizeTransitionBody(TransitionBody):
    """A transition of any size that the model can make, for contracts that name others."""

    size: Size = "512x512"  # type: ignore[assignment] # more


class SpeechBody(Submitted):
    """POST /v1/audio/speech."""

    input: Annotated[str, Field(min_length=1, max_length=100_000), AfterValidator(_worded)]
    voice: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    speed: Annotated[float, Field(ge=0.25, le=4, allow_inf_nan=False)] = 1
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = SoundFormat.MP3.value
    seed: Seed | None = None
    instructions: Annotated[str, Field(max_length=4096)] | None = None
    stream_format: Literal["audio", "sse"] | None = None


class TranscriptionBody(Submitted):
    """The fields of POST /v1/audio/transcriptions, beside the recording itself."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None
    prompt: Annotated[str, Field(max_length=4000)] | None = None
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    timestamp_granularities: list[Literal["word", "segment"]] | None = None
    seed: Seed | None = None


class Dimensions(Loose):
    """A size, taken apart."""

    width: int
    height: int


def dimensions(size: str) -> Dimensions:
    """Return the sides of WIDTHxHEIGHT."""
    width, _, height = size.partition("x")
    return Dimensions(width=int(width), height=int(height))
