"""Turn a payload into the bytes that every attempt sends; pure."""

import datetime as dt
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


def iso(moment: dt.datetime | None) -> str | None:
    """Return ISO-8601 UTC with milliseconds and ``Z``; None stays None.

    >>> iso(dt.datetime(2026, 3, 1, 12, 0, 0, 5500, tzinfo=dt.UTC))
    '2026-03-01T12:00:00.005Z'
    """
    if moment is None:
        return None
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
