"""What every answer must be, whatever was sent: as the document says, and no defect of ours."""

from typing import Any

import schemathesis
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi import checks as openapi

# A caller who waits may wait too long: not a defect where real work is slow.
SLOW = frozenset({"oxenGenerateVideo", "oxenGenerateImage"})
LEAKS = ("Traceback", "psycopg", "SELECT ", "site-packages", "<html", "DETAIL:")

load_all_checks()


def no_server_error(
    _ctx: Any, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """No answer is a 5xx, but a time-out: of real work, or as soon as the caller asked for it."""
    if response.status_code < 500:
        return
    name = case.operation.definition.raw.get("operationId")
    if response.status_code == 504 and (name in SLOW or "-timeout" in response.text):
        return
    raise AssertionError(f"{response.status_code}: {response.text[:500]}")


def refused_in_json(
    _ctx: Any, response: schemathesis.Response, _case: schemathesis.Case[Any]
) -> None:
    """A refusal is JSON with an id, says what is wrong, and nothing of our inside."""
    if response.status_code < 400:
        return
    kind = response.headers["content-type"][0].partition(";")[0]
    assert kind == "application/json", kind
    assert response.headers["x-request-id"][0]
    found = [word for word in LEAKS if word in response.text]
    assert not found, found


CHECKS = [
    no_server_error,
    refused_in_json,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
]
