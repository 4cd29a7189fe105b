"""Oxen's error envelopes: which one, with what status, for everything that can be refused."""

import json
from typing import Any

import pytest
from django.http import HttpRequest

from genie.core import errors
from jobs.facades.oxen.errors import OutOfRange, Said, TextModel, model_not_found, render
from tests import schemas

V1, V2 = "/api/media/generations/status/me/m", "/api/ai/queue/x"


def told(error: errors.GenieError, path: str = V2, method: str = "GET") -> tuple[int, Any]:
    request = HttpRequest()
    request.path, request.method = path, method
    answer = render(request, error)
    return answer.status_code, json.loads(answer.content)


CAPPED = errors.BudgetCapHit(
    "native", capLayer="org", capWindow="daily", resetsAt="2026-12-01T00:00:00Z", cap="5"
)


@pytest.mark.parametrize(
    ("error", "status", "part"),
    [
        (OutOfRange(), 400, None),
        (errors.InvalidRequest.of("duration", "is odd"), 400, "invalid_v2"),
        (errors.UnsupportedMediaType("Send JSON."), 415, "invalid_v2"),
        (errors.PayloadTooLarge("Too large."), 413, "invalid_v2"),
        (errors.MethodNotAllowed("PUT", ["GET"]), 405, "invalid_v2"),
        (errors.IdempotencyKeyReused("Used."), 422, "invalid_v2"),
        (errors.Unauthorized(), 401, "unauthenticated_v2"),
        (errors.NotFound("x"), 404, "not_found_v2"),
        (errors.JobNotFound(), 404, "not_found_v2"),
        (model_not_found("nope"), 404, "message"),
        (TextModel(), 400, "text_model"),
        (Said("Prompt cannot be empty"), 400, "message"),
        (errors.ContentPolicyViolation("No."), 400, "message"),
        (CAPPED, 402, "capped"),
        (errors.RateLimited("Slower."), 429, "message"),
        (errors.QueueFull("Full."), 429, "message"),
        (errors.InferenceFailed("It broke."), 500, "message"),
        (errors.InferenceFailed("Cancelled.", http_status=409), 409, "message"),
        (
            errors.InferenceFailed("No webp.", code="invalid-request", http_status=400),
            400,
            "message",
        ),
    ],
)
def test_each_has_an_envelope(error: errors.GenieError, status: int, part: str | None) -> None:
    found, body = told(error)

    assert found == status
    if part is not None:
        schemas.require("oxen", "error", body, part=part)


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (model_not_found("nope"), {"error": {"message": "Model not found: nope"}}),
        (errors.GatewayTimeout("x"), {"error": {"message": "Generation timed out"}}),
        (
            errors.InferenceFailed("x", code="execution-timeout", http_status=504),
            {"error": {"message": "Generation timed out"}},
        ),
        (errors.RateLimited("Slower."), {"error": {"message": "Slower."}}),
        (
            CAPPED,
            {
                "error": {
                    "message": "Insufficient credits",
                    "code": "budget-cap-hit",
                    "capLayer": "org",
                    "capWindow": "daily",
                    "resetsAt": "2026-12-01T00:00:00Z",
                }
            },
        ),
        (
            errors.ModelNotAllowed("Not yours."),
            {
                "error": {
                    "type": "unauthorized",
                    "title": "You are not authorized to perform this action",
                    "detail": "Not yours.",
                },
                "status": "error",
                "status_message": "unauthorized",
            },
        ),
        (
            errors.InternalError(),
            {
                "error": {"type": "unknown_error", "title": "An unknown error occurred"},
                "status": "error",
                "status_message": "unknown_error",
            },
        ),
    ],
)
def test_says_exactly(error: errors.GenieError, body: dict[str, Any]) -> None:
    assert told(error)[1] == body


def test_v1_has_no_status_message() -> None:
    expected = {
        "error": {
            "type": "resource_not_found",
            "title": "The requested resource could not be found",
        },
        "status": "error",
    }

    assert told(errors.JobNotFound(), V1) == (404, expected)
    assert told(errors.JobNotFound(), "/api/ai/queue", "POST") == (404, expected)
    assert told(errors.JobNotFound(), "/api/ai/queue") == (
        404,
        expected | {"status_message": "resource_not_found"},
    )


def test_the_range_is_told_to_readers_of_either_envelope() -> None:
    status, body = told(OutOfRange(), "/api/ai/queue", "POST")

    schemas.require("oxen", "error", body, part="out_of_range")
    text = "num_generations must be an integer between 1 and 4"
    assert (status, body["error"]["detail"], body["error"]["message"]) == (400, text, text)


def test_headers_stay() -> None:
    request = HttpRequest()
    request.path = V2

    assert render(request, errors.RateLimited("x", retry_after_s=7)).headers["Retry-After"] == "7"
