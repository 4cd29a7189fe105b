"""Bodies, frames and cursors of the native contract."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie.core import ids
from genie.core.errors import InvalidRequest
from inference.specs import ModelSpec, Price, Unit
from inference.types import Modality
from jobs import job_views
from jobs.events import Entry, EntryType
from jobs.serving import sse, wire
from jobs.states import TERMINAL, JobKind, JobState
from tests.unit.jobs import views


def parse(frames: bytes) -> list[dict[str, str]]:
    """Return the fields of each server-sent event, as a client reads them."""
    events = frames.decode().removesuffix("\n\n").split("\n\n")
    return [dict(line.split(": ", 1) for line in event.split("\n")) for event in events]


_CAP_FIELDS = {"capLayer", "capWindow", "resetsAt"}


class TestJobBody:
    def test_of_a_queued_job_tells_its_place_and_time(self) -> None:
        job = views.job()

        body = json.loads(wire.job_json(job, eta_s=2.04))

        assert body == {
            "id": f"chatcmpl-{ids.bare(job.id)}",
            "object": "chat.completion",
            "status": "queued",
            "model": "echo-chat",
            "created": int(views.CREATED.timestamp()),
            "startedAt": None,
            "completedAt": None,
            "queue_position": 4,
            "eta_seconds": 2.0,
        }

    @pytest.mark.parametrize(
        ("cap", "fields"),
        [
            (
                "org_daily_cap",
                {
                    "reason": "parked_budget",
                    "capLayer": "org",
                    "capWindow": "daily",
                    "resetsAt": "2026-11-21T00:00:00.000Z",
                },
            ),
            (
                "member_total_cap",
                {"reason": "parked_budget", "capLayer": "member", "capWindow": "total"},
            ),
        ],
    )
    def test_of_a_parked_job_tells_the_cap_instead_of_a_place(
        self, cap: str, fields: dict[str, str]
    ) -> None:
        parked = job_views.parked(cap, day=views.CREATED.date())
        job = views.job(parked=parked, queue_position=None)

        body = wire.job_body(job)

        assert (body["status"], body["queue_position"], body["eta_seconds"]) == (
            "queued",
            None,
            None,
        )
        assert {name: body[name] for name in body if name in {"reason", *_CAP_FIELDS}} == fields

    def test_of_a_queue_without_a_pace_has_no_eta(self) -> None:
        assert wire.job_body(views.job())["eta_seconds"] is None

    @pytest.mark.parametrize(
        ("done", "limit", "percent"), [(0, 16, 0), (8, 16, 50), (16, 16, 99), (5, None, 0)]
    )
    def test_of_a_running_job_tells_its_progress(
        self, done: int, limit: int | None, percent: int
    ) -> None:
        job = views.job(JobState.RUNNING, completion_tokens=done, max_output_tokens=limit)

        body = wire.job_body(job)

        assert body["progress"] == percent
        assert "queue_position" not in body
        assert "cost" not in body

    def test_of_a_completed_job_has_its_result_as_the_row_has_it(self) -> None:
        raw = '{"choices": [], "usage": {}, "n": 1.10}'
        text = wire.job_json(views.job(JobState.COMPLETED, result_json=raw))

        assert text.endswith(f'"result":{raw}}}')
        body = json.loads(text)
        assert body["cost"] == 1.5
        assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        assert body["completedAt"] == "2026-11-20T12:00:02.123Z"

    @pytest.mark.parametrize("state", sorted(TERMINAL - {JobState.COMPLETED}))
    def test_of_any_other_end_has_its_error_and_no_result(self, state: JobState) -> None:
        body = json.loads(wire.job_json(views.job(state)))

        assert body["error"] == {"code": "worker-lost", "message": "Lost."}
        assert "result" not in body

    def test_hints_the_next_poll_until_the_end(self) -> None:
        assert wire.poll_headers(views.job()) == {
            "Retry-After": "1",
            "openai-poll-after-ms": "1000",
        }
        assert wire.poll_headers(views.job(JobState.FAILED)) == {}

    def test_its_validator_changes_with_it(self) -> None:
        job = views.job(JobState.RUNNING)
        later = views.job(JobState.RUNNING, id=job.id, completion_tokens=9)

        assert wire.etag(wire.job_json(job)) == wire.etag(wire.job_json(job))
        assert wire.etag(wire.job_json(job)) != wire.etag(wire.job_json(later))
        assert wire.etag("").startswith('W/"')


class TestAcceptedBody:
    def test_names_the_poll_address_both_ways(self) -> None:
        job_id = ids.new_id()
        bare = ids.bare(job_id)

        body = wire.accepted_body(
            job_id, kind=JobKind.EMBEDDING, state=JobState.QUEUED, created=7, queue_position=2
        )

        assert body == {
            "id": f"emb-{bare}",
            "object": "embedding.async",
            "status": "queued",
            "polling_url": f"/api/v1/jobs/{bare}",
            "poll_url": f"/v1/jobs/{bare}",
            "cancel_url": f"/v1/jobs/{bare}/cancel",
            "events_url": f"/v1/jobs/{bare}/events",
            "created": 7,
            "queue_position": 2,
        }


class TestModelBody:
    def test_names_the_rate_of_every_unit(self) -> None:
        price = Price(version="7", rates=dict.fromkeys(Unit, 1_500_000))
        spec = ModelSpec(
            id="m", modality=Modality.CHAT, backend="echo", context_tokens=9, price=price
        )

        body = wire.model_body(spec, created=1, loaded_on=["gpu0"])

        assert (body["loaded"], body["loaded_on"]) == (True, ["gpu0"])
        assert body["pricing"] == {
            "unit": "credits",
            "version": "7",
            "prompt_per_million": 1.5,
            "completion_per_million": 1.5,
            "per_megapixel_step": 1.5,
            "per_megapixel_second": 1.5,
            "per_minute": 1.5,
            "per_thousand_characters": 1.5,
        }


class TestChatFrames:
    def frames(self, entry: Entry, **attributes: Any) -> list[dict[str, str]]:
        job = views.job(JobState.RUNNING)
        options = {"ended": None, "include_usage": False} | attributes
        return parse(sse.text_frames(job, entry, **options))

    def test_open_with_the_role(self) -> None:
        (event,) = self.frames(Entry(seq=1, type=EntryType.STARTED))

        chunk = json.loads(event["data"])
        assert event["id"] == "1"
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["choices"] == [
            {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        ]

    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
    def test_carry_any_text_on_one_line(self, text: str) -> None:
        (event,) = self.frames(Entry(seq=2, type=EntryType.DELTA, text=text))

        assert json.loads(event["data"])["choices"][0]["delta"] == {"content": text}

    def test_end_with_the_reason_and_done(self) -> None:
        ended = views.job(JobState.COMPLETED)

        last, done = self.frames(Entry(seq=9, type=EntryType.ENDED), ended=ended)

        assert last["id"] == "9"
        assert json.loads(last["data"])["choices"] == [
            {"index": 0, "delta": {}, "finish_reason": "stop"}
        ]
        assert done == {"data": "[DONE]"}

    def test_tell_the_usage_before_done_where_asked(self) -> None:
        ended = views.job(JobState.COMPLETED)

        _, usage, done = self.frames(
            Entry(seq=9, type=EntryType.ENDED), ended=ended, include_usage=True
        )

        chunk = json.loads(usage["data"])
        assert (chunk["choices"], chunk["usage"]["total_tokens"]) == ([], 5)
        assert usage["id"] == "9"  # whoever resumes after it is told the end once more
        assert done == {"data": "[DONE]"}

    @pytest.mark.parametrize(("state", "status"), [(JobState.FAILED, 500), (JobState.TIMEOUT, 504)])
    def test_show_a_failure(self, state: JobState, status: int) -> None:
        error, done = self.frames(Entry(seq=5, type=EntryType.ENDED), ended=views.job(state))

        body = json.loads(error["data"])
        assert body["error"] == {"code": status, "type": "worker-lost", "message": "Lost."}
        assert body["choices"] == [{"index": 0, "delta": {}, "finish_reason": "error"}]
        assert done == {"data": "[DONE]"}

    def test_say_that_the_text_begins_again(self) -> None:
        (event,) = self.frames(Entry(seq=7, type=EntryType.RESTARTED))

        assert (event["id"], event["event"]) == ("7", "restarted")


class TestJobFrames:
    def test_tell_start_and_end(self) -> None:
        job = views.job(JobState.RUNNING, kind=JobKind.EMBEDDING)
        ended = views.job(JobState.COMPLETED, kind=JobKind.EMBEDDING)

        (start,) = parse(sse.job_frames(job, Entry(seq=1, type=EntryType.STARTED), ended=None))
        end, done = parse(
            sse.job_frames(
                job, Entry(seq=2, type=EntryType.ENDED, state=JobState.COMPLETED), ended=ended
            )
        )

        assert start["event"] == "job.running"
        assert end["event"] == "job.completed"
        assert json.loads(end["data"])["result"] == views.result()
        assert done == {"data": "[DONE]"}

    def test_of_a_response_leave_its_words_to_the_end(self) -> None:
        job = views.job(JobState.RUNNING, kind=JobKind.RESPONSE)

        assert sse.job_frames(job, Entry(seq=2, type=EntryType.DELTA, text="a"), ended=None) == b""


class TestCursor:
    def test_is_read_back(self) -> None:
        job = views.job()

        assert wire.decode_cursor(wire.encode_cursor(job)) == (job.created_at, job.id)

    @given(st.text(max_size=100))
    def test_any_text_is_a_cursor_or_one_refusal(self, text: str) -> None:
        _decode(text)

    @given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4))
    def test_any_forged_value_is_a_cursor_or_one_refusal(self, value: Any) -> None:
        _decode(_forge(json.dumps(value)))

    @pytest.mark.parametrize(
        "raw",
        [
            '["0001-01-01T00:00:00+23:59", "00000000-0000-0000-0000-000000000000"]',
            '["9999-12-31T23:59:59-23:59", "00000000-0000-0000-0000-000000000000"]',
            "[" * 60_000,
            "1" * 60_000,
            '["2026-01-01T00:00:00+00:00", 5]',
            '["2026-01-01T00:00:00+00:00", "x", "y"]',
            '{"2026-01-01T00:00:00+00:00": 1, "x": 2}',
            "null",
            '"ab"',
        ],
    )
    def test_a_hostile_one_is_refused(self, raw: str) -> None:
        with pytest.raises(InvalidRequest, match="cursor"):
            wire.decode_cursor(_forge(raw))


def _forge(raw: str) -> str:
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def _decode(text: str) -> None:
    try:
        moment, _ = wire.decode_cursor(text)
    except InvalidRequest:
        return
    assert moment.tzinfo is not None
