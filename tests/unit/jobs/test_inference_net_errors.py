"""Errors in the words that inference.net's clients know from OpenAI's."""

import json
from typing import Any

import pytest
from django.http import HttpRequest

from genie.core import errors
from jobs.facades.inference_net import errors as told
from tests import schemas

CASES: list[tuple[errors.GenieError, int, str, str]] = [
    (
        errors.InvalidRequest.of("model", "Field required"),
        400,
        "invalid_request_error",
        "invalid_request",
    ),
    (errors.Unauthorized(), 401, "invalid_request_error", "invalid_api_key"),
    (errors.BudgetCapHit("No room."), 402, "insufficient_quota", "budget-cap-hit"),
    (errors.ModelNotAllowed("Not yours."), 403, "permission_error", "model-not-allowed"),
    (errors.IpNotAllowed("Not here."), 403, "permission_error", "ip-not-allowed"),
    (
        errors.ModelNotFound("The model x does not exist"),
        404,
        "invalid_request_error",
        "model_not_found",
    ),
    (errors.JobNotFound(), 404, "invalid_request_error", "generation_not_found"),
    (told.GroupNotFound(), 404, "invalid_request_error", "group_not_found"),
    (errors.NotFound("No route."), 404, "invalid_request_error", "not-found"),
    (errors.MethodNotAllowed("PUT", ["GET"]), 405, "invalid_request_error", "method-not-allowed"),
    (errors.PayloadTooLarge("Too large."), 413, "invalid_request_error", "payload-too-large"),
    (
        errors.UnsupportedMediaType("No JSON."),
        415,
        "invalid_request_error",
        "unsupported-media-type",
    ),
    (errors.IdempotencyKeyReused("Used."), 422, "invalid_request_error", "idempotency-key-reused"),
    (errors.RateLimited("Slower."), 429, "rate_limit_error", "rate-limited"),
    (errors.QueueFull("Full."), 429, "rate_limit_error", "queue-full"),
    (errors.InternalError(), 500, "server_error", "internal-error"),
    (errors.Unavailable("Away."), 503, "server_error", "unavailable"),
]


def body(error: errors.GenieError) -> dict[str, Any]:
    answer = told.render(HttpRequest(), error)
    return dict(schemas.require("inference_net", "error", json.loads(answer.content))["error"])


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"), CASES, ids=[case[0].code for case in CASES]
)
def test_each_has_its_status_type_and_code(
    error: errors.GenieError, status: int, kind: str, code: str
) -> None:
    answer = told.render(HttpRequest(), error)

    assert (answer.status_code, body(error)["type"], body(error)["code"]) == (status, kind, code)
    assert all(answer.headers[name] == value for name, value in error.headers.items())


def test_every_refused_key_is_told_the_same() -> None:
    assert body(errors.Unauthorized("Anything."))["message"] == "Incorrect API key provided"


def test_a_field_is_named_as_openai_names_it() -> None:
    error = body(errors.InvalidRequest.of("messages.0.role", "Field required"))

    assert error["param"] == "messages[0].role"
    assert error["message"] == "messages[0].role: Field required"


def test_a_refusal_of_the_budget_says_which_cap_and_until_when() -> None:
    extra = {"capLayer": "org", "capWindow": "daily", "resetsAt": "2026-11-21T00:00:00.000Z"}

    error = body(errors.BudgetCapHit("No room.", **extra, requested=5))

    assert error == error | extra
    assert "requested" not in error


class TestInAGroup:
    @pytest.mark.parametrize(
        ("error", "param", "message"),
        [
            (
                errors.InvalidRequest.of("messages.0.role", "Field required"),
                "requests[3].messages[0].role",
                "requests[3].messages[0].role: Field required",
            ),
            (
                errors.InvalidRequest("No.", details=[{"field": "stream", "message": "No."}]),
                "requests[3].stream",
                "No.",
            ),
            (
                errors.ModelNotFound("The model x does not exist"),
                "requests[3].model",
                "The model x does not exist",
            ),
            (errors.InvalidRequest.of("", "Odd."), "requests[3]", "Odd."),
        ],
    )
    def test_what_is_wrong_with_a_body_names_its_place(
        self, error: errors.GenieError, param: str, message: str
    ) -> None:
        told_ = body(told.in_request(3, error))

        assert (told_["param"], told_["message"], told_["code"]) == (
            param,
            message,
            "invalid_request",
        )

    def test_what_the_caller_may_not_do_stays_what_it_is(self) -> None:
        error = errors.ModelNotAllowed("Not yours.")

        assert told.in_request(3, error) is error
