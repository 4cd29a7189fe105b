"""How long the body of a request may be, by its path."""

from django.conf import settings

# Of a group's requests in one body. What all of them said still fits the event of their end, which
# has at most 10 MB.
_GROUP_TIMES = 8
# Of one request for embeddings: 2,048 texts of 2,000 bytes, or OpenAI's 300,000 tokens as numbers.
# Of one for reranking: 1,000 documents of 4,000 bytes.
_TEXTS_TIMES = 4
# Routes whose JSON may carry two pictures in base64.
_WITH_PICTURES = (
    *("/videos/transitions", "/jobs/quote", "/images/edits", "/images/variations"),
    *("/api/ai/queue", "/api/videos/generate", "/openai/v1/videos"),
)
# Routes whose bodies may be long files.
SPOOLED = ("/openai/v1/files",)


def of(path: str) -> int:
    """Return the most bytes of a request body: JSON, a group of them, or what may carry a recording or pictures."""
    json_bytes = int(settings.GENIE_JSON_LIMIT_BYTES)
    if path.startswith(("/v1/slow/group/", "/v1/async/group/")):
        return _GROUP_TIMES * json_bytes
    if path.endswith(("/embeddings", "/rerank")):
        return _TEXTS_TIMES * json_bytes
    if path.endswith("/audio/transcriptions"):
        return json_bytes + int(settings.GENIE_UPLOAD_LIMIT_BYTES)
    if path in SPOOLED:
        return json_bytes + int(settings.GENIE_FILE_LIMIT_BYTES)
    if path.endswith(_WITH_PICTURES):
        return json_bytes + 2 * int(settings.GENIE_IMAGE_LIMIT_BYTES) * 4 // 3  # two, in base64
    return json_bytes
