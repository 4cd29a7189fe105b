"""Where OpenAI's bodies say more than the native ones, or say it otherwise."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import ConfigDict, Field, WithJsonSchema

from jobs.intake.bodies import Loose, Metadata, Name
from jobs.intake.media_bodies import ImageBody, Prompt

_AUTO = "1024x1024"
_BASE64_MODELS = "gpt-image-"  # what their names begin with

OpenAISize: TypeAlias = Literal[
    "256x256", "512x512", "1024x1024", "1792x1024", "1024x1792", "1536x1024", "1024x1536"
]


# "auto" has become a size before this is read; see image_fields.
_Size: TypeAlias = Annotated[
    OpenAISize, WithJsonSchema({"enum": [*get_args(OpenAISize), "auto"], "type": "string"})
]


class OpenAIImageBody(ImageBody):
    """POST /openai/v1/images/generations: the sizes of OpenAI's newer models, and fields to ignore."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    size: _Size = "1024x1024"  # type: ignore[assignment] # more than the native ones


class OpenAIVideoBody(Loose):
    """POST /openai/v1/videos: any whole number of seconds and any size that the model can make."""

    model: Name = "sora-2"
    prompt: Prompt
    seconds: Annotated[str, Field(pattern=r"\A[0-9]{1,3}\z")] = "4"
    size: str = "720x1280"
    input_reference: Any = None


class OutputExpiry(Loose):
    """How long after they were written the files of a batch can be had."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=30 * 86_400)]


class OpenAIBatchBody(Loose):
    """POST /openai/v1/batches."""

    input_file_id: Name
    endpoint: Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]
    completion_window: Literal["24h"]
    metadata: Metadata = None
    output_expires_after: OutputExpiry | None = None


def image_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an image with what OpenAI leaves to itself: sizes, and how it is returned.

    OpenAI's models of this family have no addresses to return: their callers read base64 unasked.
    """
    kept = {name: value for name, value in fields.items() if value is not None}
    if kept.get("size") == "auto":
        kept["size"] = _AUTO
    if str(kept.get("model", "")).startswith(_BASE64_MODELS):
        kept.setdefault("response_format", "b64_json")
    return kept
