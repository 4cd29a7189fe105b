"""What a body of the right types must have, with the contract's sentence for what is missing. Pure."""

from collections.abc import Collection

from jobs.dialects.bifrost import RequestType
from jobs.facades.bifrost.bodies import Body, Ocr, Rerank
from jobs.facades.bifrost.errors import Refused, unsupported_stream

_FIELDS: dict[RequestType, tuple[tuple[str, str], ...]] = {
    RequestType.TEXT_COMPLETION: (("prompt", "prompt is required for text completion"),),
    RequestType.CHAT_COMPLETION: (("messages", "messages is required for chat completion"),),
    RequestType.RESPONSES: (("input", "input is required for responses"),),
    RequestType.EMBEDDING: (("input", "input is required for embeddings"),),
    RequestType.SPEECH: (
        ("input", "input is required for speech completion"),
        ("voice", "voice is required for speech completion"),
    ),
    RequestType.IMAGE_GENERATION: (("prompt", "prompt cannot be empty"),),
    RequestType.RERANK: (
        ("query", "query is required for rerank"),
        ("documents", "documents are required for rerank"),
    ),
}
_FILES = {
    RequestType.TRANSCRIPTION: ("file", "file is required"),
    RequestType.IMAGE_EDIT: ("image", "at least one image is required"),
    RequestType.IMAGE_VARIATION: ("image", "at least one image is required"),
}


def check(request_type: RequestType, body: Body, files: Collection[str]) -> None:
    """Refuse what lacks something that its type needs, and any stream.

    Raises:
        Refused: With the contract's sentence.
    """
    if not body.model:
        raise Refused("model is required", param="model")
    for field, sentence in _FIELDS.get(request_type, ()):
        if getattr(body, field) in (None, "", []):
            raise Refused(sentence, param=field)
    if (needed := _FILES.get(request_type)) is not None and needed[0] not in files:
        raise Refused(needed[1], param=needed[0])
    if isinstance(body, Rerank):
        _check_rerank(body)
    if isinstance(body, Ocr):
        _check_ocr(body)
    if getattr(body, "stream", None) or getattr(body, "stream_format", None) == "sse":
        raise unsupported_stream(request_type)


def _check_rerank(body: Rerank) -> None:
    for index, document in enumerate(body.documents or ()):
        if not document.text:
            raise Refused(
                f"document text is required for rerank at index {index}", param="documents"
            )
    if body.top_n is not None and body.top_n < 1:
        raise Refused("top_n must be at least 1", param="top_n")


def _check_ocr(body: Ocr) -> None:
    kind = body.document.type if body.document is not None else None
    if kind is None:
        raise Refused("document type is required for ocr", param="document")
    if not getattr(body.document, kind):
        raise Refused(f"{kind} is required when document type is {kind}", param="document")
