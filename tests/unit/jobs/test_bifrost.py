"""A job in Bifrost's words: every state, every failure, every kind of result, and its webhook."""

import datetime as dt
import json
import uuid
from typing import Any

import pytest

from jobs.dialects import bifrost, bifrost_deliveries
from jobs.dialects.bifrost import RequestType, Seen
from jobs.states import TERMINAL, JobKind, JobState
from tests import schemas

ID = uuid.UUID("1e89b165-d4fe-49e8-beb2-3e157f2df02f")
CREATED = dt.datetime(2026, 2, 19, 8, 10, 17, 831_900, tzinfo=dt.UTC)
COMPLETED = dt.datetime(2026, 2, 19, 8, 10, 19, 412_000, tzinfo=dt.UTC)
CHAT = {
    "id": "chatcmpl-c1",
    "object": "chat.completion",
    "created": 1771488617,
    "model": "echo",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": None, "refusal": None, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "null"}}
            ]},
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    "system_fingerprint": None,
}  # fmt: skip


def seen(state: JobState = JobState.COMPLETED, **fields: Any) -> Seen:
    ended = state in TERMINAL
    values: dict[str, Any] = {
        "id": ID,
        "kind": JobKind.CHAT,
        "state": state,
        "model": "echo",
        "requested_model": "parrot",
        "created_at": CREATED,
        "attempt": 1,
        "completed_at": COMPLETED if ended else None,
        "expires_at": COMPLETED + dt.timedelta(hours=1) if ended else None,
        "result": CHAT if state is JobState.COMPLETED else None,
        "error": {"code": "inference-failed", "message": "It failed."}
        if ended and state is not JobState.COMPLETED
        else None,
    }
    return Seen(**(values | fields))


class TestStatus:
    @pytest.mark.parametrize(
        ("state", "attempt", "status"),
        [
            (JobState.QUEUED, 0, "pending"),
            (JobState.QUEUED, 1, "processing"),  # given back by a lost worker
            (JobState.RUNNING, 1, "processing"),
            (JobState.RUNNING, 3, "processing"),
        ],
    )
    def test_of_a_job_that_goes_on_says_nothing_else(
        self, state: JobState, attempt: int, status: str
    ) -> None:
        body = bifrost.job_body(seen(state, attempt=attempt))

        assert body == {"id": str(ID), "status": status, "created_at": "2026-02-19T08:10:17.831Z"}
        schemas.require("bifrost", "unfinished", body)

    def test_of_a_completed_job_has_the_contracts_order(self) -> None:
        body = bifrost.job_body(seen())

        assert list(body) == [
            *("id", "status", "expires_at", "created_at", "completed_at", "status_code", "result")
        ]
        assert (body["status"], body["status_code"]) == ("completed", 200)
        assert body["expires_at"] == "2026-02-19T09:10:19.412Z"
        schemas.require("bifrost", "completed", body)

    @pytest.mark.parametrize(
        ("state", "status_code", "error_type", "message"),
        [
            (JobState.FAILED, 500, None, "It failed."),
            (JobState.CANCELLED, 499, "request_cancelled", "job was cancelled"),
            (JobState.TIMEOUT, 504, "request_timed_out", "job timed out"),
        ],
    )
    def test_of_any_other_end_is_failed(
        self, state: JobState, status_code: int, error_type: str | None, message: str
    ) -> None:
        body = bifrost.job_body(seen(state))

        assert list(body)[-2:] == ["status_code", "error"]
        assert (body["status"], body["status_code"]) == ("failed", status_code)
        error = body["error"]
        assert error["error"]["message"] == message
        assert (error.get("type"), error["error"].get("type")) == (error_type, error_type)
        assert error["status_code"] == status_code
        schemas.require("bifrost", "failed", body)

    @pytest.mark.parametrize(
        ("code", "status_code"),
        [
            ("budget-exhausted", 402),
            ("content-policy-violation", 400),
            ("invalid-request", 400),
            ("model-load-failed", 503),
            ("comfyui-model-missing", 503),
            ("worker-lost", 503),
            ("queue-timeout", 504),
            ("execution-timeout", 504),
            ("inference-failed", 500),
            ("anything-else", 500),
        ],
    )
    def test_of_a_failure_is_told_by_its_code(self, code: str, status_code: int) -> None:
        error = {"code": code, "message": "Why."}

        body = bifrost.job_body(seen(JobState.FAILED, error=error))

        assert body["status_code"] == body["error"]["status_code"] == status_code
        assert body["error"]["error"] == {"code": code, "message": "Why."}
        assert body["error"]["is_bifrost_error"] == (status_code in (500, 503))
        assert body["error"]["extra_fields"] == {
            "request_type": "chat_completion",
            "model_requested": "parrot",
        }

    def test_of_a_job_of_another_contract_has_no_expiry(self) -> None:
        assert "expires_at" not in bifrost.job_body(seen(expires_at=None))

    def test_is_known_for_every_state(self) -> None:
        told = {bifrost.status_of(seen(state, attempt=0)) for state in JobState}

        assert told == {"pending", "processing", "completed", "failed"}


class TestTypes:
    def test_have_a_path_each_and_a_kind_where_there_is_work(self) -> None:
        assert set(bifrost.PATHS) == set(RequestType)
        assert len(set(bifrost.PATHS.values())) == len(RequestType) == 11
        kinds = set(JobKind) - {JobKind.VIDEO, JobKind.TRANSITION}  # which Bifrost does not have
        assert set(bifrost.KINDS.values()) == kinds


RESULTS: dict[JobKind, dict[str, Any]] = {
    JobKind.CHAT: CHAT,
    JobKind.COMPLETION: {
        "id": "cmpl-c1",
        "object": "text_completion",
        "created": 1,
        "model": "echo",
        "choices": [{"index": 0, "text": "a", "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    },
    JobKind.EMBEDDING: {
        "object": "list",
        "model": "e",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    },
    JobKind.RERANK: {
        "id": "rerank-c1",
        "object": "rerank",
        "model": "r",
        "results": [
            {"index": 1, "relevance_score": 0.5, "document": {"text": "a", "id": "x"}},
            {"index": 0, "relevance_score": 0.25},
        ],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    },
    JobKind.IMAGE: {
        "created": 1,
        "data": [{"url": "https://x/1"}, {"url": "https://x/2"}],
        "model_substituted": None,
    },
    JobKind.SPEECH: {"url": "https://x/1", "content_type": "audio/wav", "duration_ms": 7},
    JobKind.TRANSCRIPTION: {
        "task": "transcribe",
        "language": None,
        "duration": 0.5,
        "text": "hi",
        "segments": [
            {
                "id": 0,
                "seek": 0,
                "start": 0.0,
                "end": 0.5,
                "text": "hi",
                "tokens": [7],
                "temperature": 0.0,
                "avg_logprob": -0.1,
                "compression_ratio": 0.2,
                "no_speech_prob": 0.01,
            }
        ],
        "usage": {"type": "duration", "seconds": 1},
    },
}


class TestResults:
    @pytest.mark.parametrize("kind", RESULTS)
    def test_satisfy_their_schema_and_hold_no_null(self, kind: JobKind) -> None:
        one = seen(kind=kind, result=RESULTS[kind], parts=12, audio="AAAA", model="served")

        result = bifrost.job_body(one)["result"]

        schemas.require("bifrost", "results", result, part=one.request_type)
        assert schemas.nulls(result) == []

    def test_of_pictures_are_numbered_and_name_the_model_that_served(self) -> None:
        result = bifrost.result_of(seen(kind=JobKind.IMAGE, result=RESULTS[JobKind.IMAGE]))

        assert result == {
            "created": 1,
            "model": "echo",
            "data": [{"url": "https://x/1", "index": 0}, {"url": "https://x/2", "index": 1}],
        }

    def test_of_speech_are_the_sound_alone_from_the_row_or_the_storage(self) -> None:
        speech = RESULTS[JobKind.SPEECH]
        in_row = seen(kind=JobKind.SPEECH, result=speech | {"audio": "QUJD"}, parts=12)
        stored = seen(kind=JobKind.SPEECH, result=speech, parts=12, audio="QUJD")

        assert bifrost.result_of(in_row) == bifrost.result_of(stored) == {
            "audio": "QUJD",
            "usage": {"input_tokens": 12, "output_tokens": 0, "total_tokens": 12},
        }  # fmt: skip


class TestDeliveries:
    def test_say_what_the_contract_shows(self) -> None:
        assert json.loads(bifrost_deliveries.delivery(seen(), with_result=False)) == {
            "event": "async_job.completed",
            "created_at": "2026-02-19T08:10:19.412Z",
            "data": {
                "job_id": "1e89b165-d4fe-49e8-beb2-3e157f2df02f",
                "request_type": "chat_completion",
                "status": "completed",
                "status_code": 200,
                "created_at": "2026-02-19T08:10:17.831Z",
                "completed_at": "2026-02-19T08:10:19.412Z",
                "result_url": "/v1/async/chat/completions/1e89b165-d4fe-49e8-beb2-3e157f2df02f",
                "result_expires_at": "2026-02-19T09:10:19.412Z",
            },
        }

    @pytest.mark.parametrize("state", sorted(TERMINAL))
    def test_bring_along_what_the_poll_says(self, state: JobState) -> None:
        body = json.loads(bifrost_deliveries.delivery(seen(state), with_result=True))

        completed = state is JobState.COMPLETED
        name, field = ("response", "result") if completed else ("error", "error")
        assert body["event"] == f"async_job.{'completed' if completed else 'failed'}"
        assert body["data"][name] == bifrost.job_body(seen(state))[field]
        schemas.require("bifrost", "delivery", body)

    @pytest.mark.parametrize(
        ("spare", "named"), [(0, "response"), (-1, "response_omitted")], ids=["at", "above"]
    )
    def test_leave_out_what_is_larger_than_the_bound(self, spare: int, named: str) -> None:
        room = bifrost_deliveries.INLINE_BYTES - len('{"text":""}') - spare
        large = seen(kind=JobKind.TRANSCRIPTION, result={"text": "a" * room})

        data = json.loads(bifrost_deliveries.delivery(large, with_result=True))["data"]

        assert set(data) & {"response", "response_omitted"} == {named}

    def test_leave_out_an_error_that_is_larger_than_the_bound(self) -> None:
        error = {"code": "inference-failed", "message": "é" * bifrost_deliveries.INLINE_BYTES}

        body = json.loads(
            bifrost_deliveries.delivery(seen(JobState.FAILED, error=error), with_result=True)
        )

        assert body["data"]["error_omitted"] is True
        schemas.require("bifrost", "delivery", body)

    def test_leave_out_a_sound_that_is_in_the_storage_alone(self) -> None:
        stored = seen(kind=JobKind.SPEECH, result=RESULTS[JobKind.SPEECH])

        data = json.loads(bifrost_deliveries.delivery(stored, with_result=True))["data"]

        assert data["response_omitted"] is True

    def test_of_an_expired_result_say_only_that(self) -> None:
        body = json.loads(bifrost_deliveries.expired(seen()))

        assert body["data"] == {"job_id": str(ID), "status": "completed", "result_expired": True}
        schemas.require("bifrost", "delivery", body)

    @pytest.mark.parametrize(
        ("state", "events"),
        [
            (JobState.COMPLETED, {"async_job.completed", "job.completed"}),
            *(
                (state, {"async_job.failed", "job.failed", "job.cancelled", "job.timeout"})
                for state in (JobState.FAILED, JobState.CANCELLED, JobState.TIMEOUT)
            ),
        ],
    )
    def test_go_to_who_subscribes_to_the_like(self, state: JobState, events: set[str]) -> None:
        assert set(bifrost_deliveries.subscriptions(state)) == events
