"""Queries, JSON and CSV of caps and usage."""

import csv
import datetime as dt
import io
import uuid
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from budgets.gate import OnCapHit
from budgets.types import Balance, OpenHold, Statement
from budgets.windows import Layer, WindowKind
from genie.core import ids
from genie.core.errors import InvalidRequest
from jobs.facades.genie import spending
from jobs.spending import (
    LONGEST_DAYS,
    MOST_GROUPS,
    GroupBy,
    HoldingJob,
    Spending,
    Usage,
    UsageFilter,
    UsageReport,
)
from jobs.states import JobKind, JobState

TODAY = dt.date(2026, 11, 21)
ORGANIZATION = uuid.UUID("0190a2b4-89ab-7cde-8f01-23456789abcd")
SHOP = uuid.UUID("0190a2b4-89ab-7cde-8f01-23456789abce")


def asked(query: str) -> UsageFilter:
    return spending.usage_filter(QueryDict(query), organization_id=ORGANIZATION, today=TODAY)


def used(*group: Any, **amounts: int) -> Usage:
    sums = {"jobs": 1, "prompt_tokens": 2, "completion_tokens": 3, "cost_microcredits": 4}
    return Usage(group=group, **(sums | amounts))


def report(*rows: Usage, **names: Any) -> UsageReport:
    return UsageReport(rows=rows, **({"application_names": {}, "usernames": {}} | names))


class TestUsageFilter:
    def test_is_the_last_thirty_days_by_day(self) -> None:
        wanted = asked("")

        assert (wanted.first_day, wanted.last_day) == (dt.date(2026, 10, 23), TODAY)
        assert wanted.group_by == (GroupBy.DAY,)
        assert (wanted.model, wanted.application_id, wanted.user_id) == (None, None, None)

    def test_reads_every_parameter(self) -> None:
        wanted = asked(
            f"group_by=application,day&from=2026-02-28&to=2026-03-01&model=a%2Fb"
            f"&application={SHOP}&member={ORGANIZATION}&format=csv"
        )

        assert wanted == UsageFilter(
            organization_id=ORGANIZATION,
            first_day=dt.date(2026, 2, 28),
            last_day=dt.date(2026, 3, 1),
            group_by=(GroupBy.DAY, GroupBy.APPLICATION),
            model="a/b",
            application_id=SHOP,
            user_id=ORGANIZATION,
        )

    def test_counts_a_range_up_to_its_last_day(self) -> None:
        longest = f"from={TODAY - dt.timedelta(days=LONGEST_DAYS - 1)}"
        longer = f"from={TODAY - dt.timedelta(days=LONGEST_DAYS)}"

        assert asked(longest).last_day == TODAY
        with pytest.raises(InvalidRequest, match=f"{LONGEST_DAYS} days"):
            asked(longer)

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("group_by=", "group_by"),
            ("group_by=day,day", "group_by"),
            ("group_by=day,", "group_by"),
            ("group_by=cost", "group_by"),
            ("group_by=day&group_by=model", "group_by"),
            ("model=a&model=a", "model"),
            ("organization=acme", "organization"),
            ("from=2026-11-22", "from"),
            ("from=20261101", "from"),
            ("from=2026-W47-1", "from"),
            ("from=2026-02-30", "from"),
            ("from=0001-01-01&to=0001-01-02", "to"),
            ("to=9999-12-31", "to"),
            ("to=2026-11-21T00:00:00Z", "to"),
            ("to=%D9%A2%D9%A0%D9%A2%D9%A6-11-21", "to"),
            ("application=shop", "application"),
            ("member=olga", "member"),
            ("model=%00", "model"),
            ("order_by=cost", "order_by"),
            ("organization=x", "organization"),
        ],
    )
    def test_refuses_and_names_the_parameter(self, query: str, field: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            asked(query)

        assert refused.value.body()["details"][0]["field"] == field  # type: ignore[index]


class TestWantsCsv:
    @pytest.mark.parametrize(
        ("query", "accept", "chosen"),
        [
            ("", "", "json"),
            ("", "*/*", "json"),
            ("", "text/csv", "csv"),
            ("", "Text/CSV;q=0.9, */*;q=0.1", "csv"),
            ("", "application/json, text/csv", "json"),
            ("", "image/png", "json"),
            ("format=csv", "application/json", "csv"),
            ("format=json", "text/csv", "json"),
        ],
    )
    def test_goes_by_the_format_then_by_accept(self, query: str, accept: str, chosen: str) -> None:
        assert spending.wants_csv(QueryDict(query), accept=accept) == (chosen == "csv")

    def test_refuses_another_format(self) -> None:
        with pytest.raises(InvalidRequest, match="format"):
            spending.wants_csv(QueryDict("format=xlsx"), accept="")


class TestUsageBody:
    def test_names_the_groups_and_adds_them_up(self) -> None:
        wanted = asked("group_by=day,application")
        rows = [
            used(TODAY, SHOP, jobs=2, cost_microcredits=1_500_000),
            used(TODAY, None, jobs=1, cost_microcredits=1),
        ]

        body = spending.usage_body(wanted, report(*rows, application_names={SHOP: "shop"}))

        assert body["group_by"] == ["day", "application"]
        assert body["data"] == [
            {
                "day": "2026-11-21", "application_id": str(SHOP), "application": "shop", "jobs": 2,
                "prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5, "cost": 1.5,
            },
            {
                "day": "2026-11-21", "application_id": None, "application": None, "jobs": 1,
                "prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5, "cost": 1e-06,
            },
        ]  # fmt: skip
        assert body["total"] == {
            "jobs": 3, "prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10,
            "cost": 1.500001,
        }  # fmt: skip

    def test_of_nothing_is_an_empty_list_and_a_total_of_zero(self) -> None:
        body = spending.usage_body(asked(""), report())

        assert (body["data"], body["total"]["jobs"], body["total"]["cost"]) == ([], 0, 0)

    def test_is_refused_where_it_would_be_cut_off(self) -> None:
        row = used(TODAY)
        spending.require_complete(report(*[row] * MOST_GROUPS))

        with pytest.raises(InvalidRequest, match="10000 rows"):
            spending.require_complete(report(*[row] * (MOST_GROUPS + 1)))


class TestUsageCsv:
    def rows(self, wanted: UsageFilter, found: UsageReport) -> list[list[str]]:
        return list(csv.reader(io.StringIO(spending.usage_csv(wanted, found))))

    def test_has_a_header_and_a_line_for_each_group(self) -> None:
        wanted = asked("group_by=day,application")

        lines = self.rows(wanted, report(used(TODAY, SHOP), application_names={SHOP: "shop"}))

        assert lines == [
            [
                "day", "application_id", "application", "jobs", "prompt_tokens",
                "completion_tokens", "total_tokens", "cost",
            ],
            ["2026-11-21", str(SHOP), "shop", "1", "2", "3", "5", "0.000004"],
        ]  # fmt: skip

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
    def test_holds_no_formula(self, start: str) -> None:
        name = f'{start}HYPERLINK("http://evil.example";"click")'

        lines = self.rows(
            asked("group_by=application"), report(used(SHOP), application_names={SHOP: name})
        )

        assert lines[1][1] == f"'{name}"

    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
    def test_gives_any_other_name_back_as_it_is(self, name: str) -> None:
        lines = self.rows(
            asked("group_by=application"), report(used(SHOP), application_names={SHOP: name})
        )

        assert lines[1][1].removeprefix("'") == name.removeprefix("'")
        assert not lines[1][1].startswith(("=", "+", "-", "@"))

    def test_writes_small_costs_without_an_exponent(self) -> None:
        lines = self.rows(asked(""), report(used(TODAY, cost_microcredits=1)))

        assert lines[1][-1] == "0.000001"


def balance(layer: Layer, **attributes: Any) -> Balance:
    fields: dict[str, Any] = {
        "layer": layer,
        "subject_id": SHOP,
        "window": WindowKind.DAILY,
        "period": "2026-11-21",
        "spent": 1_000_000,
        "held": 500_000,
        "cap": None,
        "base_cap": None,
        "raised_until": None,
        "on_cap_hit": OnCapHit.BLOCK,
    }
    return Balance(**(fields | attributes))


def effective(*balances: Balance, holds: tuple[OpenHold, ...] = (), jobs: Any = None) -> Any:
    statement = Statement(
        balances=balances, open_holds=7, held_microcredits=500_000, newest_holds=holds
    )
    return spending.effective_body(Spending(statement=statement, jobs=jobs or {}))


class TestEffectiveBody:
    def test_shows_what_is_left_of_a_cap(self) -> None:
        body = effective(balance(Layer.ORG, cap=2_000_000, base_cap=2_000_000))

        assert body["caps"] == [
            {
                "layer": "org", "window": "daily", "field": "dailyBudget", "period": "2026-11-21",
                "cap": 2, "spent": 1, "held": 0.5, "remaining": 0.5,
                "resetsAt": "2026-11-22T00:00:00.000Z",
            }
        ]  # fmt: skip

    def test_shows_a_raise_with_its_end(self) -> None:
        until = dt.datetime(2026, 11, 21, 18, tzinfo=dt.UTC)

        body = effective(balance(Layer.ORG, cap=9_000_000, base_cap=1_000_000, raised_until=until))

        (cap,) = body["caps"]
        assert (cap["cap"], cap["baseCap"], cap["remaining"]) == (9, 1, 7.5)
        assert cap["raisedUntil"] == "2026-11-21T18:00:00.000Z"

    def test_says_what_an_applications_cap_does_and_when_a_window_never_ends(self) -> None:
        total = balance(
            Layer.APPLICATION,
            window=WindowKind.TOTAL,
            period="total",
            on_cap_hit=OnCapHit.SOFT_WARN,
        )

        (cap,) = effective(total)["caps"]

        assert (cap["cap"], cap["remaining"], cap["onCapHit"]) == (None, None, "soft-warn")
        assert "resetsAt" not in cap

    def test_shows_a_users_day_only_where_a_cap_binds_it(self) -> None:
        # It counts what the user spent in other organisations, too.
        assert effective(balance(Layer.USER))["caps"] == []
        assert len(effective(balance(Layer.USER, cap=0, base_cap=0))["caps"]) == 1

    def test_names_the_jobs_that_hold_the_money(self) -> None:
        job_id = ids.new_id()
        hold = OpenHold(
            reference=job_id,
            amount=250_000,
            opened_at=dt.datetime(2026, 11, 21, 9, tzinfo=dt.UTC),
            layers=(Layer.ORG, Layer.MEMBER),
        )
        job = HoldingJob(kind=JobKind.CHAT, state=JobState.RUNNING, model="echo")

        body = effective(holds=(hold,), jobs={job_id: job})

        assert body["holds"] == {
            "total": 7,
            "amount": 0.5,
            "data": [
                {
                    "id": f"chatcmpl-{ids.bare(job_id)}",
                    "status": "running",
                    "model": "echo",
                    "amount": 0.25,
                    "since": "2026-11-21T09:00:00.000Z",
                    "layers": ["org", "member"],
                }
            ],
        }
