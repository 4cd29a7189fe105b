"""Checks a request's body before anything reads it: media type, then strict JSON."""

import re
from typing import Any

from django.http import HttpRequest

from genie.core import strict_json
from genie.core.errors import UnsupportedMediaType

require_clean_text = strict_json.require_clean_text


def read_object(request: HttpRequest) -> dict[str, Any]:
    """Return the body as an object.

    Raises:
        UnsupportedMediaType: It is not declared as JSON in UTF-8, or is compressed.
        InvalidRequest: It is not one well-formed JSON object.
    """
    _require_json(request)
    return strict_json.decode_object(request.body)


def _require_json(request: HttpRequest) -> None:
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body uncompressed, without Content-Encoding.")
    media_type, _, parameters = request.META.get("CONTENT_TYPE", "").partition(";")
    if media_type.strip().lower() != "application/json":
        raise UnsupportedMediaType("Send the body as application/json.")
    charset = re.search(r"charset\s*=\s*\"?([^\";\s]+)", parameters, re.IGNORECASE)
    if charset and charset[1].lower().replace("_", "-") not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("Send JSON in UTF-8.")
