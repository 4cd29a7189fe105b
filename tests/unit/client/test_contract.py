"""The client against the server's own words: routes, states, schemas; and each client against the other."""

import inspect
import json
from typing import get_args

import pytest
from pydantic import BaseModel

from genie.client import accounts, aio, client, errors, types
from genie.client.cli import jobs as jobs_command
from genie.client.cli import making
from genie.client.operations import submitting
from genie.core import errors as server_errors
from genie.openapi import views
from inference.types import SoundFormat
from jobs.states import JobState

DESCRIBED = json.loads(views.DOCUMENT.read_text())["paths"]
SCHEMAS = views.DOCUMENT.parent / "schemas" / "native"


@pytest.mark.parametrize("path", submitting.ROUTES.values())
def test_every_kind_of_job_has_a_route(path: str) -> None:
    assert "post" in DESCRIBED[path]


def test_states_are_the_servers() -> None:
    assert set(get_args(types.Status)) == set(JobState) == set(jobs_command.STATES)


@pytest.mark.parametrize(
    ("schema", "model"),
    [
        ("accepted", types.JobInfo),
        ("job", types.JobInfo),
        ("jobs", types.JobPage),
        ("chat_completion", types.ChatCompletion),
        ("embeddings", types.Embeddings),
        ("rerank", types.Ranking),
        ("images", types.Images),
        ("transcription", types.Transcription),
        ("effective_budgets", accounts.Budgets),
        ("usage", accounts.UsageReport),
        ("model", accounts.ModelInfo),
    ],
)
def test_what_the_schema_requires_is_a_field_or_left_out_on_purpose(
    schema: str, model: type[BaseModel]
) -> None:
    left_out = {"object", "owned_by", "from", "to", "group_by"}
    left_out |= {"polling_url", "poll_url", "cancel_url", "events_url"}  # the id tells them
    required = set(json.loads((SCHEMAS / f"{schema}.json").read_text())["required"])
    known = {field.alias or name for name, field in model.model_fields.items()}

    assert required - known - left_out == set()


def test_what_a_value_needs_is_always_there() -> None:
    needed = {name for name, field in types.JobInfo.model_fields.items() if field.is_required()}

    for schema in ("accepted", "job"):
        required = json.loads((SCHEMAS / f"{schema}.json").read_text())["required"]
        assert needed <= set(required)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (server_errors.InvalidRequest("x"), errors.InvalidRequest),
        (server_errors.Unauthorized(), errors.Unauthorized),
        (server_errors.BudgetCapHit("x", capLayer="org"), errors.BudgetCapHit),
        (server_errors.ModelNotAllowed("x"), errors.Forbidden),
        (server_errors.JobNotFound(), errors.NotFound),
        (server_errors.JobTerminal("x"), errors.Conflict),
        (server_errors.IdempotencyKeyReused("x"), errors.IdempotencyKeyReused),
        (server_errors.QueueFull("x", retry_after_s=7), errors.RateLimited),
        (server_errors.NoWorker("x"), errors.Unavailable),
        (server_errors.GatewayTimeout("x"), errors.ApiError),
    ],
)
def test_every_refusal_of_the_server_is_an_error_of_its_kind(
    error: server_errors.GenieError, kind: type[errors.ApiError]
) -> None:
    headers = {name.lower(): value for name, value in error.headers.items()}
    found = errors.refusal(status=error.http_status, headers=headers, body=error.body())

    assert type(found) is kind
    assert (found.code, found.message) == (error.code, error.message)
    assert (found.retry_after_s is not None) == error.retryable


@pytest.mark.parametrize(
    ("blocking", "awaiting"),
    [(client.Client, aio.AsyncClient), (client.Jobs, aio.AsyncJobs), (client.Job, aio.AsyncJob)],
)
def test_both_clients_have_the_same_methods(blocking: type, awaiting: type) -> None:
    def shape(owner: type) -> dict[str, list[tuple[str, object]]]:
        return {
            name: [(one.name, one.default) for one in inspect.signature(value).parameters.values()]
            for name, value in vars(owner).items()
            if inspect.isfunction(value) and not name.startswith("_")
        }

    assert shape(blocking) == shape(awaiting)
    assert shape(blocking)
    assert inspect.getdoc(blocking)


def test_formats_of_sound_are_the_servers() -> None:
    assert set(making.FORMATS) == set(SoundFormat)
