"""What differs between the contracts, and that every delivery of the table has its data."""

import pytest

from budgets import gate
from jobs import events
from jobs.dialects import bifrost_deliveries
from jobs.states import JobState
from webhooks import formats, own_headers
from webhooks.event_types import EventType
from webhooks.models import Format, Schedule

TERMINAL = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.TIMEOUT)


class TestTables:
    def test_have_what_the_columns_may_name(self) -> None:
        assert set(formats.MANNERS) == set(Format.values)
        assert set(formats.RULES) == set(Schedule.values)

    def test_of_event_types_name_what_jobs_and_budgets_publish(self) -> None:
        published = {events.event_type(state) for state in TERMINAL}
        published |= {bifrost_deliveries.event_type(state) for state in TERMINAL}
        published |= {f"budget.{kind}" for kind in gate.AlertKind}

        assert published | {"webhook.disabled"} == set(EventType)

    def test_give_inference_net_a_probe_and_half_a_minute(self) -> None:
        manner = formats.MANNERS["inference_net"]

        assert (manner.probe_s, manner.attempt_s, manner.longest_s) == (5, 30, 35)

    @pytest.mark.parametrize("name", ["native", "bifrost"])
    def test_give_the_others_ten_seconds_and_no_probe(self, name: str) -> None:
        assert (formats.MANNERS[name].probe_s, formats.MANNERS[name].longest_s) == (None, 10)


class TestAbout:
    @pytest.mark.parametrize(
        ("event_type", "ids"),
        [
            ("generation.completed", {"webhook": "wh_1", "generation": "j"}),
            ("async-embedding.completed", {"webhook": "wh_1", "generation": "j"}),
            ("slow-group.completed", {"webhook": "wh_1", "group": "j"}),
            ("webhook.test", {"webhook": "wh_1"}),
        ],
    )
    def test_names_the_reference_as_the_event_does(
        self, event_type: str, ids: dict[str, str]
    ) -> None:
        manner = formats.MANNERS["inference_net"]

        assert formats.about(manner, event_type=event_type, endpoint="wh_1", reference="j") == ids

    def test_is_nothing_in_other_formats(self) -> None:
        manner = formats.MANNERS["bifrost"]

        assert formats.about(manner, event_type="x", endpoint="wh_1", reference="j") == {}


class TestOwnHeaders:
    @pytest.mark.parametrize(
        "headers", [{}, {"Authorization": "Bearer abc"}, {"X-Team": "a b", "X-Other": "~"}]
    )
    def test_are_taken(self, headers: dict[str, str]) -> None:
        assert own_headers.problem(headers) is None

    @pytest.mark.parametrize(
        ("headers", "problem"),
        [
            ({"": "a"}, "no name"),
            ({"X Team": "a"}, "no name"),
            ({"X-Team": ""}, "visible"),
            ({"X-Team": "a\r\nHost: b"}, "visible"),
            ({"X-Team": " a"}, "visible"),
            ({"X-Team": "é"}, "visible"),
            ({"X-Team": "a" * 1025}, "visible"),
            ({"X-Team": "a", "x-team": "b"}, "twice"),
            ({f"X-{n}": "a" for n in range(21)}, "at most 20"),
            *(
                ({name: "a"}, "by Genie itself")
                for name in (
                    *("Host", "Connection", "content-length", "Transfer-Encoding", "User-Agent"),
                    *("webhook-id", "Webhook-Signature", "X-Genie-Event", "X-Bifrost-Event"),
                    "X-Inference-Webhook-ID",
                )
            ),
        ],
    )
    def test_are_refused(self, headers: dict[str, str], problem: str) -> None:
        assert problem in (own_headers.problem(headers) or "")
