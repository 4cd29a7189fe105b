"""Checks a request's body before anything reads it: media type, then strict JSON."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from genie.core import strict_json
from genie.core.errors import PayloadTooLarge

_MOST_VALUES = 1000  # of a body that is larger than JSON alone may be

require_clean_text = strict_json.require_clean_text


def read_object(request: HttpRequest, *, many_values: bool = False) -> dict[str, Any]:
    """Return the body as an object.

    ``many_values`` is for a route whose large bodies are large by their values; read them on a thread.

    Raises:
        UnsupportedMediaType: It is not declared as JSON in UTF-8, or is compressed.
        PayloadTooLarge: It is large by the number of its values.
        InvalidRequest: It is not one well-formed JSON object.
    """
    strict_json.require_declared(
        request.META.get("CONTENT_TYPE", ""), encoding=request.META.get("HTTP_CONTENT_ENCODING", "")
    )
    if not many_values:
        _require_few_values(request.body)
    return strict_json.decode_object(request.body)


def _require_few_values(body: bytes) -> None:
    """Refuse a large body that is large by its number of values: they would take long to read.

    A route may take megabytes because of what it carries in base64, which has no commas.
    """
    limit = settings.GENIE_JSON_LIMIT_BYTES
    if len(body) > limit and body.count(b",") > _MOST_VALUES:
        raise PayloadTooLarge(f"A body above {limit} bytes may have {_MOST_VALUES} values.")
