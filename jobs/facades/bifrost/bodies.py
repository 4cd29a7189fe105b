"""The bodies that Bifrost's description gives, as strict types: every field that it names is checked.

What is required is checked after the types, since each has a sentence of its own; so here every
field may be absent. Unknown fields are ignored, and null is absent. Models, messages and the like are
judged further by ``jobs.intake``, whose words an error then has.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from jobs.intake.bodies import Loose

Temperature: TypeAlias = Annotated[float, Field(ge=0, le=2)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Penalty: TypeAlias = Annotated[float, Field(ge=-2, le=2)]
Positive: TypeAlias = Annotated[int, Field(ge=1)]
EditSize: TypeAlias = Literal["256x256", "512x512", "1024x1024", "1536x1024", "1024x1536", "auto"]
ImageSize: TypeAlias = Literal[
    "256x256",
    "512x512",
    "1024x1024",
    "1792x1024",
    "1024x1792",
    "1536x1024",
    "1024x1536",
    "auto",
]


class Body(Loose):
    """What every body may have."""

    model: Annotated[str, Field(max_length=200)] = ""
    fallbacks: list[str] | None = None


class Chat(Body):
    """POST /v1/async/chat/completions."""

    messages: list[Any] | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    max_completion_tokens: Positive | None = None
    max_tokens: Positive | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    stream: bool | None = None
    logit_bias: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    modalities: list[str] | None = None
    reasoning: dict[str, Any] | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in-memory", "24h"] | None = None
    user: str | None = None
    truncation: str | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    prediction: dict[str, Any] | None = None
    stream_options: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    store: bool | None = None


class Text(Body):
    """POST /v1/async/completions."""

    prompt: str | list[str] | None = None
    max_tokens: Positive | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    n: Positive | None = None
    seed: int | None = None
    stop: list[str] | None = None
    best_of: int | None = None
    logprobs: int | None = None
    echo: bool | None = None
    logit_bias: dict[str, Any] | None = None
    suffix: str | None = None
    user: str | None = None
    stream: bool | None = None
    metadata: dict[str, Any] | None = None


class Responses(Body):
    """POST /v1/async/responses."""

    input: str | list[Any] | None = None
    instructions: str | None = None
    max_output_tokens: Positive | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    background: bool | None = None
    parallel_tool_calls: bool | None = None
    store: bool | None = None
    conversation: str | None = None
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    truncation: str | None = None
    include: list[str] | None = None
    max_tool_calls: int | None = None
    top_logprobs: int | None = None
    metadata: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    stream_options: dict[str, Any] | None = None
    stream: bool | None = None


class Embedding(Body):
    """POST /v1/async/embeddings."""

    input: str | list[Any] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Positive | None = None
    metadata: dict[str, Any] | None = None


class Speaker(Loose):
    """One voice of several."""

    speaker: str
    voice: str


class Speech(Body):
    """POST /v1/async/audio/speech."""

    input: str | None = None
    voice: str | list[Speaker] | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    instructions: str | None = None
    language_code: str | None = None
    pronunciation_dictionary_locators: list[Any] | None = None
    enable_logging: bool | None = None
    optimize_streaming_latency: bool | None = None
    with_timestamps: bool | None = None
    stream_format: str | None = None


class Transcription(Body):
    """The texts of POST /v1/async/audio/transcriptions."""

    language: str | None = None
    prompt: str | None = None
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] | None = None
    file_format: str | None = None
    stream: bool | None = None


class Picture(Body):
    """What the bodies of pictures share; fallbacks are objects there."""

    fallbacks: list[str | dict[str, Any]] | None = None  # type: ignore[assignment] # as described
    prompt: str | None = None
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    seed: int | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=150)] | None = None
    negative_prompt: str | None = None
    output_format: Literal["png", "webp", "jpeg"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    user: str | None = None
    stream: bool | None = None


class ImageGeneration(Picture):
    """POST /v1/async/images/generations."""

    size: ImageSize | None = None
    quality: Literal["auto", "high", "medium", "low", "hd", "standard"] | None = None
    style: Literal["natural", "vivid"] | None = None
    moderation: Literal["low", "auto"] | None = None


class ImageEdit(Picture):
    """The texts of POST /v1/async/images/edits."""

    size: EditSize | None = None
    quality: Literal["auto", "high", "medium", "low", "standard"] | None = None
    type: Literal["inpainting", "outpainting", "background_removal"] | None = None
    input_fidelity: Literal["low", "high"] | None = None


class ImageVariation(Body):
    """The texts of POST /v1/async/images/variations."""

    n: Annotated[int, Field(ge=1, le=10)] | None = None
    size: ImageSize | None = None
    response_format: Literal["url", "b64_json"] | None = None
    user: str | None = None


class RankedDocument(Loose):
    """One document to rank; that it has a text is checked with its place."""

    text: str | None = None
    id: str | None = None
    meta: dict[str, Any] | None = None


class Rerank(Body):
    """POST /v1/async/rerank."""

    query: str | None = None
    documents: list[RankedDocument] | None = None
    top_n: int | None = None  # that it is at least 1 has a sentence of its own
    max_tokens_per_doc: Positive | None = None
    priority: int | None = None
    return_documents: bool | None = None


class OcrDocument(Loose):
    """What is to be read; that it is complete is checked with sentences of its own."""

    type: Literal["document_url", "image_url"] | None = None
    document_url: str | None = None
    image_url: str | None = None


class AnnotationFormat(Loose):
    """The shape of an annotation."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


class Ocr(Body):
    """POST /v1/async/ocr."""

    document: OcrDocument | None = None
    id: str | None = None
    pages: list[Annotated[int, Field(ge=0)]] | None = None
    include_image_base64: bool | None = None
    extract_header: bool | None = None
    extract_footer: bool | None = None
    image_limit: Positive | None = None
    image_min_size: Positive | None = None
    table_format: str | None = None
    confidence_scores_granularity: Literal["page", "block", "word", "document"] | None = None
    bbox_annotation_format: AnnotationFormat | None = None
    document_annotation_format: AnnotationFormat | None = None
    document_annotation_prompt: str | None = None
