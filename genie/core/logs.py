"""Log records: one JSON object a line, with secrets redacted. Never a prompt or an output."""

import datetime as dt
import json
import logging
import re
import traceback

# Keys, webhook secrets, bearer headers, cookies, the values that PostgreSQL quotes in an error (a
# failing row holds the prompt), and the password part of a URL.
_SECRETS = re.compile(
    r"sk-genie-[A-Za-z0-9-]+|wh(?:sec|sk)_[A-Za-z0-9+/=_-]+|(?i:bearer)\s+\S+|(?i:cookie:).*"
    r"|(?:DETAIL|CONTEXT):.*"
)
_URL_PASSWORD = re.compile(r"(://[^:/@\s]*):([^@/\s]+)@")


def redact(text: str) -> str:
    """Return ``text`` without keys, secrets, bearer headers and URL passwords.

    >>> redact("postgresql://genie:hunter2@127.0.0.1/genie")
    'postgresql://genie:***@127.0.0.1/genie'
    """
    return _URL_PASSWORD.sub(r"\1:***@", _SECRETS.sub("[redacted]", text))


class Redact(logging.Filter):
    """Replaces a record's message by its redacted form before any formatter sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record in place and keep it."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a filter that raises would fail whoever logs
            message = f"{record.msg} (with arguments that do not fit it)"
        record.msg, record.args = redact(message), None
        return True


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a JSON object without line breaks."""
        entry = {
            "at": dt.datetime.fromtimestamp(record.created, tz=dt.UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in ("job", "request_id", "attempt", "queue"):
            if (value := getattr(record, name, None)) is not None:
                entry[name] = str(value)
        if record.exc_info:
            entry["trace"] = redact("".join(traceback.format_exception(*record.exc_info)))
        return json.dumps(entry, ensure_ascii=False)
