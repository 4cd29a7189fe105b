"""What answers read from headers, and how an ended job answers the caller that waited."""

import asyncio

import pytest
from django.http import HttpRequest

from genie.core.errors import InferenceFailed, InvalidRequest
from genie.core.lean import LeanRequest
from jobs.serving import answers
from jobs.states import JobState
from tests.unit.jobs import views


def request(**headers: str) -> LeanRequest:
    made = HttpRequest()
    made.META |= {f"HTTP_{name}": value for name, value in headers.items()}
    return made  # type: ignore[return-value] # only its headers are read


class TestPrefer:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("wait=5", 5),
            ("wait=0", 0),
            ("wait=60", 60),
            ("wait=61", 60),
            ("wait=999999999", 60),
            ('wait="7"', 7),
            ("Wait = 7", 7),
            ("respond-async, wait=7", 7),
            ("wait=7; x=y", 7),
            ("", None),
            ("wait", None),
            ("wait=", None),
            ("wait=-1", None),
            ("wait=1.5", None),
            ("wait=5s", None),
            ("await=5", None),
            ("respond-async", None),
            ("wait=" + "9" * 1000, None),
        ],
    )
    def test_wait_is_seconds_up_to_a_minute(self, text: str, seconds: int | None) -> None:
        assert answers.prefer_wait_s(request(PREFER=text)) == seconds


class TestLastEventId:
    @pytest.mark.parametrize(
        ("text", "after"), [("", 0), ("0", 0), ("17", 17), ("999999999", 999999999)]
    )
    def test_is_a_sequence_number(self, text: str, after: int) -> None:
        assert answers.last_event_id(request(LAST_EVENT_ID=text)) == after

    @pytest.mark.parametrize("text", ["-1", "1.5", "abc", "1 ", "1e3", "\u0661", "1" * 10, "17-2"])
    def test_that_is_none_of_ours_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidRequest, match="Last-Event-ID"):
            answers.last_event_id(request(LAST_EVENT_ID=text))


class TestSyncAnswer:
    def test_of_a_request_that_the_model_refused_is_a_400(self) -> None:
        error = {"code": "invalid-request", "message": "There is no such language."}
        job = views.job(JobState.FAILED, error=error)

        with pytest.raises(InferenceFailed) as failed:
            asyncio.run(answers.sync_answer(job, {}))

        assert (failed.value.http_status, failed.value.code) == (400, "invalid-request")

    def test_is_the_result_as_the_row_has_it(self) -> None:
        job = views.job(JobState.COMPLETED)

        answer = asyncio.run(answers.sync_answer(job, {"Idempotent-Replayed": "true"}))

        assert answer.status_code == 200
        assert answer.content.decode() == job.result_json
        assert answer.headers["Idempotent-Replayed"] == "true"

    @pytest.mark.parametrize(
        ("state", "status"),
        [(JobState.FAILED, 500), (JobState.TIMEOUT, 504), (JobState.CANCELLED, 409)],
    )
    def test_is_the_failure_with_its_own_code(self, state: JobState, status: int) -> None:
        with pytest.raises(InferenceFailed) as failed:
            asyncio.run(answers.sync_answer(views.job(state), {"X-Told": "yes"}))

        body = failed.value.body()
        assert failed.value.http_status == status
        assert failed.value.headers["X-Told"] == "yes"
        assert (body["code"], body["error"]) == ("worker-lost", "Lost.")
        assert str(body["id"]).startswith("chatcmpl-c")
