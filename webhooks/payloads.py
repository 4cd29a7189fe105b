"""Turn a payload into the bytes that every attempt sends; pure."""

import json
from collections.abc import Mapping


def serialise(payload: Mapping[str, object]) -> bytes:
    r"""Return ``payload`` as UTF-8 JSON; called once per event, for the signature covers bytes.

    A lone surrogate, which UTF-8 cannot hold, becomes ``?``: a job must be able to finish whatever
    text it produced.

    Raises:
        ValueError: A number is NaN or infinite, which JSON does not have.

    >>> serialise({"status": "completed", "text": "café"})
    b'{"status":"completed","text":"caf\xc3\xa9"}'
    """
    text = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
