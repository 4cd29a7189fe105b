"""Stream entries travel unchanged, and an ended job's stream can be told from its row."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie.core import ids
from jobs import events
from jobs.events import Entry, EntryType
from jobs.states import TERMINAL, JobKind, JobState
from jobs.told import Told

TEXTS = st.text(max_size=60)


class TestEntry:
    @given(
        st.integers(1, 10**9),
        st.sampled_from(EntryType),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.none() | st.sampled_from(JobState),
    )
    def test_is_decoded_as_it_was(
        self, seq: int, kind: EntryType, text: str, state: JobState | None
    ) -> None:
        entry = Entry(seq=seq, type=kind, text=text, state=state)

        assert Entry.decode(entry.encode()) == entry
        assert Entry.decode(entry.encode().encode()) == entry


class TestFromRecord:
    @given(st.lists(st.text(min_size=1, max_size=8), max_size=12), st.integers(1, 50))
    def test_has_the_seams_that_were_live(self, deltas: list[str], first_seq: int) -> None:
        text = "".join(deltas)
        ends = [len("".join(deltas[: n + 1])) for n in range(len(deltas))]

        first, *middle, last = events.from_record(
            Told(script=text), ends, JobState.COMPLETED, first_seq=first_seq
        )

        assert first.type is (EntryType.STARTED if first_seq == 1 else EntryType.RESTARTED)
        assert [entry.text for entry in middle] == deltas
        assert (last.type, last.state) == (EntryType.ENDED, JobState.COMPLETED)
        seqs = [entry.seq for entry in (first, *middle, last)]
        assert seqs[0] == first_seq
        assert all(later == earlier + 1 for earlier, later in pairwise(seqs))

    @given(st.text(min_size=1))
    def test_without_seams_is_one_delta(self, text: str) -> None:
        _, delta, _ = events.from_record(Told(script=text), None, JobState.COMPLETED, first_seq=1)

        assert delta.text == text

    @pytest.mark.parametrize("state", sorted(TERMINAL))
    def test_of_a_job_without_text_is_its_start_and_end(self, state: JobState) -> None:
        assert events.from_record(Told(), None, state, first_seq=1) == [
            Entry(seq=1, type=EntryType.STARTED),
            Entry(seq=2, type=EntryType.ENDED, state=state),
        ]


class TestWords:
    @pytest.mark.parametrize(
        ("moment", "text"),
        [
            (dt.datetime(2026, 6, 1, tzinfo=dt.UTC), "2026-06-01T00:00:00.000Z"),
            (dt.datetime(2026, 6, 1, 1, 2, 3, 999999, dt.UTC), "2026-06-01T01:02:03.999Z"),
            (
                dt.datetime(2026, 6, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
                "2026-05-31T23:00:00.000Z",
            ),
        ],
    )
    def test_times_are_utc_with_milliseconds(self, moment: dt.datetime, text: str) -> None:
        assert events.iso(moment) == text

    def test_ids_have_the_prefix_of_their_kind(self) -> None:
        job_id = ids.new_id()

        assert events.public_id(job_id, JobKind.CHAT) == f"chatcmpl-{ids.bare(job_id)}"
        assert events.public_id(job_id, JobKind.EMBEDDING) == f"emb-{ids.bare(job_id)}"
        assert events.public_id(job_id, JobKind.RERANK) == f"rerank-{ids.bare(job_id)}"


class TestWebhookBody:
    def test_of_a_completed_job_has_the_envelope_and_the_sync_body(self) -> None:
        job_id = ids.new_id()
        result = {"id": "chatcmpl-x", "object": "chat.completion", "choices": []}

        body = events.webhook_body(
            job_id=job_id,
            kind=JobKind.CHAT,
            state=JobState.COMPLETED,
            completed_at=dt.datetime(2026, 6, 1, tzinfo=dt.UTC),
            result=result,
            error=None,
        )

        assert body == {
            "id": f"chatcmpl-{ids.bare(job_id)}",
            "status": "completed",
            "completedAt": "2026-06-01T00:00:00.000Z",
            "object": "chat.completion",
            "choices": [],
            "result": result,
        }
        assert result["id"] == "chatcmpl-x"  # the row's own body is not changed

    @pytest.mark.parametrize("state", sorted(TERMINAL - {JobState.COMPLETED}))
    def test_of_any_other_end_has_the_error(self, state: JobState) -> None:
        error = {"code": "cancelled", "message": "Enough."}

        body = events.webhook_body(
            job_id=ids.new_id(),
            kind=JobKind.CHAT,
            state=state,
            completed_at=dt.datetime(2026, 6, 1, tzinfo=dt.UTC),
            result=None,
            error=error,
        )

        assert (body["status"], body["error"]) == (state, error)
        assert "result" not in body
