"""Log records: one JSON object a line, with secrets redacted. Never a prompt or an output.

What a line is about (a request, a job, a delivery) need not be said by whoever logs it: it is bound
for a while, and every line of the thread or task has it until then.
"""

import contextlib
import datetime as dt
import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

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


_encode = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make one for each line

# What lines can be about. A record's own attribute wins over what is bound.
NAMES = (
    *("request_id", "trace_id", "job", "attempt", "queue", "model", "outcome", "run_ms"),
    *("delivery", "batch_id", "worker"),
)
_NOTHING: Mapping[str, object] = {}
_bound: ContextVar[Mapping[str, object]] = ContextVar("log_bound", default=_NOTHING)


def bind(**about: object) -> None:
    """Let the lines of this task say what they are about, to its end.

    For what has a task or a thread of its own; elsewhere ``bound`` takes it back.
    """
    _bound.set({**_bound.get(), **about})


@contextlib.contextmanager
def bound(**about: object) -> Iterator[None]:
    """Let the lines of the block say what they are about."""
    token = _bound.set({**_bound.get(), **about})
    try:
        yield
    finally:
        _bound.reset(token)


def about(name: str) -> str | None:
    """Return what is bound by this name, or None."""
    value = _bound.get().get(name)
    return None if value is None else str(value)


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
        here = {**_bound.get(), **vars(record)}
        for name in NAMES:
            if (value := here.get(name)) is not None:
                entry[name] = str(value)
        if record.exc_info:
            entry["trace"] = redact("".join(traceback.format_exception(*record.exc_info)))
        return _encode(entry)
