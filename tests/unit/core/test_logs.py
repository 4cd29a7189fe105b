"""Log lines are one JSON object each and hold no secret, whoever wrote them."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from genie.core import logs

SECRETS = [
    ("key sk-genie-acme-labs-0123456789abcdefABCDEFGH was used", "0123456789abcdef"),
    ("secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8"),
    ("key whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", "MfKQ9r8"),
    ("Authorization: Bearer eyJhbGciOi.payload.signature", "eyJhbGciOi"),
    ("AUTHORIZATION: bearer   abc123", "abc123"),
    ("Cookie: csrftoken=aaaa; sessionid=bbbb", "bbbb"),
    ("set-cookie: sessionid=cccc; HttpOnly", "cccc"),
    ("postgresql://genie:hunter2@127.0.0.1/genie", "hunter2"),
    ("redis://:hunter2@127.0.0.1/0 is away", "hunter2"),
    ("DETAIL:  Failing row contains (1, my prompt, null).", "my prompt"),
    ('CONTEXT:  JSON data, line 1: {"content": "my prompt', "my prompt"),
]


class TestRedact:
    @pytest.mark.parametrize(("text", "secret"), SECRETS)
    def test_takes_secrets_out(self, text: str, secret: str) -> None:
        assert secret not in logs.redact(f"before\n{text}\nafter")
        assert logs.redact(f"before\n{text}\nafter").startswith("before")
        assert logs.redact(f"before\n{text}\nafter").endswith("after")

    def test_leaves_the_rest_as_it_is(self) -> None:
        text = "job c0123 (chat) ended as failed: worker-lost; see https://docs.example/a?b=c#d"

        assert logs.redact(text) == text


class TestFilter:
    def test_redacts_the_arguments_too(self) -> None:
        record = _record("key %s at %s", "sk-genie-acme-0123456789abcdefABCDEFGH", "host")

        assert logs.Redact().filter(record)
        assert record.getMessage() == "key [redacted] at host"

    def test_survives_a_message_that_does_not_fit_its_arguments(self) -> None:
        record = _record("%d %d", "one")

        assert logs.Redact().filter(record)
        assert "%d %d" in record.getMessage()


class TestFormatter:
    def test_writes_one_json_object_on_one_line(self) -> None:
        record = _record('line one\nline "two" \u2028')
        record.job = "c0123"

        line = logs.JsonFormatter().format(record)

        assert "\n" not in line
        entry = json.loads(line)
        assert entry["message"] == 'line one\nline "two" \u2028'
        assert (entry["level"], entry["logger"], entry["job"]) == ("info", "test", "c0123")
        assert entry["at"].endswith("+00:00")

    def test_redacts_the_trace(self) -> None:
        record = _record("failed")
        told = "\n".join(text for text, _ in SECRETS)
        error = ValueError(told)
        record.exc_info = (ValueError, error, None)

        entry = json.loads(logs.JsonFormatter().format(record))

        assert "ValueError" in entry["trace"]
        assert not [secret for _, secret in SECRETS if secret in entry["trace"]]


class TestBound:
    def test_lines_have_what_is_bound_and_their_own_wins(self) -> None:
        with logs.bound(request_id="req_1", job="outer"), logs.bound(job="inner"):
            plain, own = formatted(), formatted(job="own")
        after = formatted()

        assert (plain["request_id"], plain["job"]) == ("req_1", "inner")
        assert (own["request_id"], own["job"]) == ("req_1", "own")
        assert "request_id" not in after

    def test_what_is_nothing_is_left_out(self) -> None:
        with logs.bound(job=None):
            assert "job" not in formatted()

    def test_a_thread_has_nothing_of_another(self) -> None:
        with logs.bound(request_id="req_1"), ThreadPoolExecutor(1) as pool:
            assert "request_id" not in pool.submit(formatted).result()

    def test_can_be_asked_for(self) -> None:
        with logs.bound(request_id="req_1"):
            assert logs.about("request_id") == "req_1"
        assert logs.about("request_id") is None


def formatted(**attributes: object) -> dict[str, str]:
    record = _record("said")
    for name, value in attributes.items():
        setattr(record, name, value)
    entry: dict[str, str] = json.loads(logs.JsonFormatter().format(record))
    return entry


def _record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, __file__, 1, message, args, None)
