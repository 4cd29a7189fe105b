"""The admin shows the ledger by names and credits, in a bounded number of statements."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from budgets.admin.ledger import EntryAdmin
from budgets.gate import Mode
from budgets.models import Alert, BudgetEvent, Entry, Hold, Window
from budgets.windows import Layer, WindowKind
from genie.core import ids
from tests.integration.budgets import builders, operators

pytestmark = pytest.mark.django_db

READ_ONLY = ["window", "hold", "entry", "budgetevent", "capchange", "alert"]
TABLES = ["cap", *READ_ONLY]
# What one_of_each leaves in each table, in credits.
SHOWN = {
    "cap": "2500", "capchange": "2500", "window": "1.25", "hold": "5.123456", "entry": "5.123456",
    "budgetevent": "5.123456", "alert": "cap-hit",
}  # fmt: skip


@pytest.fixture
def operator() -> Client:
    return operators.superuser()


@pytest.fixture
def watcher() -> Client:
    """A colleague who may look at money and nothing else."""
    return operators.staff(f"view_{table}" for table in TABLES)


@pytest.fixture
def acme() -> Any:
    return operators.make_named()


@pytest.fixture
def globex() -> Any:
    return operators.make_named()


def page(client: Client, table: str, **query: Any) -> str:
    answer = client.get(f"/admin/budgets/{table}/", query)
    assert answer.status_code == 200
    return answer.content.decode()


def rows(client: Client, table: str, **query: Any) -> list[Any]:
    answer = client.get(f"/admin/budgets/{table}/", query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def one_of_each(named: operators.Named, *, amount: int = 5_123_456) -> uuid.UUID:
    builders.cap(Layer.ORG, named.organization_id, WindowKind.DAILY, 2_500_000_000)
    assert named.payer.application_id is not None
    Alert.objects.get_or_create(
        kind="cap-hit",
        application_id=named.payer.application_id,
        layer="org",
        subject_id=named.organization_id,
        window="daily",
        period="2026-11-21",
    )
    reference = builders.admitted(named.payer, amount)
    builders.settle(reference, 1_250_000)
    return reference


class TestLists:
    @pytest.mark.parametrize("table", TABLES)
    def test_open_without_counting_the_table(
        self, operator: Client, acme: operators.Named, table: str
    ) -> None:
        one_of_each(acme)

        with CaptureQueriesContext(connection) as queries:
            page(operator, table)

        assert [one["sql"] for one in queries if "COUNT(" in one["sql"].upper()] == []

    @pytest.mark.parametrize("table", [one for one in TABLES if one != "capchange"])
    def test_read_no_whole_table_to_offer_filters(
        self, operator: Client, acme: operators.Named, table: str
    ) -> None:
        one_of_each(acme)

        with CaptureQueriesContext(connection) as queries:
            page(operator, table)

        assert [one["sql"] for one in queries if "DISTINCT" in one["sql"].upper()] == []

    @pytest.mark.parametrize("table", TABLES)
    @pytest.mark.parametrize("payers", [1, 6])
    def test_take_as_many_statements_for_many_rows_as_for_one(
        self, operator: Client, table: str, payers: int, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(payers):
            one_of_each(operators.make_named())

        with django_assert_max_num_queries(11):
            page(operator, table)

    @pytest.mark.parametrize("table", TABLES)
    def test_show_names_and_credits(
        self, watcher: Client, acme: operators.Named, table: str
    ) -> None:
        one_of_each(acme)

        text = page(watcher, table)

        assert acme.slug in text
        assert SHOWN[table] in text
        assert str(acme.organization_id) not in text.replace(
            f"/admin/tenants/organization/{acme.organization_id}/change/", ""
        )

    @pytest.mark.parametrize("table", TABLES)
    def test_escape_what_people_are_called(self, operator: Client, table: str) -> None:
        evil = operators.make_named(application="<script>alert(1)</script>")
        one_of_each(evil)
        builders.cap(Layer.APPLICATION, evil.payer.application_id, WindowKind.TOTAL, 7)

        text = page(operator, table)

        assert "alert(1)" in text
        assert "<script>alert(1)" not in text

    @pytest.mark.parametrize("table", READ_ONLY)
    def test_add_nothing(self, operator: Client, table: str) -> None:
        assert operator.get(f"/admin/budgets/{table}/add/").status_code == 403

    @pytest.mark.parametrize("table", TABLES)
    def test_are_closed_to_who_may_not_look(self, table: str) -> None:
        assert operators.staff([]).get(f"/admin/budgets/{table}/").status_code == 403

    def test_show_payers_that_were_deleted_by_their_id(self, operator: Client) -> None:
        payer = builders.new_payer()
        builders.admitted(payer, 5)

        assert str(payer.organization_id) in page(operator, "hold")


class TestSearch:
    @pytest.mark.parametrize("table", ["cap", "window", "capchange", "budgetevent", "alert"])
    def test_finds_an_organisation_by_its_slug(
        self, operator: Client, acme: operators.Named, globex: operators.Named, table: str
    ) -> None:
        one_of_each(acme)
        one_of_each(globex)

        found = rows(operator, table, q=acme.slug)

        assert found
        assert len(found) == len(rows(operator, table)) // 2
        assert found == rows(operator, table, organization=acme.slug)

    def test_finds_the_open_holds_of_an_organisation(
        self, operator: Client, acme: operators.Named, globex: operators.Named
    ) -> None:
        one_of_each(acme)
        still_open = builders.admitted(acme.payer, 5)
        builders.admitted(globex.payer, 5)

        assert [one.reference for one in rows(operator, "hold", q=acme.slug)] == [still_open]

    @pytest.mark.parametrize("spell", [str, ids.bare, lambda one: f"chatcmpl-{ids.bare(one)}"])
    @pytest.mark.parametrize("table", ["hold", "entry", "budgetevent"])
    def test_finds_what_a_job_left_by_any_spelling_of_its_id(
        self, operator: Client, acme: operators.Named, table: str, spell: Any
    ) -> None:
        wanted, _ = one_of_each(acme), one_of_each(acme)

        found = rows(operator, table, q=spell(wanted))

        assert {one.reference for one in found} == {wanted}

    def test_finds_adjustments_too(self, operator: Client, acme: operators.Named) -> None:
        reference = one_of_each(acme)
        place = Window.objects.filter(subject_id=acme.organization_id)[0]
        Entry.objects.create(
            kind="adjust", reference=reference, amount=-1, window_ids=[place.id], reason="a test"
        )

        kinds = {one.kind for one in rows(operator, "entry", q=str(reference))}

        assert kinds == {"hold", "settle", "release", "adjust"}

    @pytest.mark.parametrize("table", TABLES)
    @pytest.mark.parametrize(
        "text", ["nonsense", "' OR 1=1 --", "ffffffff-ffff-7fff-8fff-ffffffffffff"]
    )
    def test_finds_nothing_by_anything_else(
        self, operator: Client, acme: operators.Named, table: str, text: str
    ) -> None:
        one_of_each(acme)

        assert rows(operator, table, q=text) == []

    @pytest.mark.parametrize("table", ["cap", "window", "capchange", "budgetevent", "alert"])
    @pytest.mark.parametrize("text", ["nonsense", "' OR 1=1 --", "\x00", "x" * 5000])
    def test_of_an_unknown_organisation_finds_nothing(
        self, operator: Client, acme: operators.Named, table: str, text: str
    ) -> None:
        one_of_each(acme)

        assert rows(operator, table, organization=text) == []


class TestFilters:
    def test_of_layer_and_window(self, operator: Client, acme: operators.Named) -> None:
        one_of_each(acme)

        found = rows(operator, "window", layer="member", window="weekly")

        assert [(one.layer, one.window) for one in found] == [("member", "weekly")]

    def test_of_the_period(self, operator: Client, acme: operators.Named) -> None:
        one_of_each(acme)
        Window.objects.create(
            layer="org", subject_id=acme.organization_id, window="daily", period="2020-02-29"
        )

        past = rows(operator, "window", period="past")

        assert [one.period for one in past] == ["2020-02-29"]
        assert "2020-02-29" not in {one.period for one in rows(operator, "window", period="now")}

    def test_of_open_holds(self, operator: Client, acme: operators.Named) -> None:
        one_of_each(acme)
        still_open = builders.admitted(acme.payer, 5)

        assert [one.reference for one in rows(operator, "hold", state="open")] == [still_open]
        assert len(rows(operator, "hold", state="closed")) == 1

    def test_of_decision_and_mode(self, operator: Client, acme: operators.Named) -> None:
        builders.cap(Layer.USER, acme.payer.user_id, WindowKind.DAILY, 0)
        builders.hold(builders.request(acme.payer, 5))
        builders.hold(builders.request(acme.payer, 5), mode=Mode.SHADOW)

        assert len(rows(operator, "budgetevent", decision__exact="refuse")) == 2
        assert len(rows(operator, "budgetevent", mode="shadow")) == 1
        assert len(rows(operator, "budgetevent", layer="user", window="daily")) == 2
        assert "refuse (shadow)" in page(operator, "budgetevent")

    @pytest.mark.parametrize("table", ["hold", "entry", "budgetevent", "capchange"])
    def test_of_time(self, operator: Client, acme: operators.Named, table: str) -> None:
        one_of_each(acme)
        field = "opened_at" if table == "hold" else "at"

        assert rows(operator, table, **{f"{field}__gte": "2020-01-01 00:00:00+00:00"})
        assert not rows(operator, table, **{f"{field}__gte": "2120-01-01 00:00:00+00:00"})


class TestPages:
    @pytest.mark.parametrize("table", ["window", "hold", "entry", "budgetevent"])
    def test_show_one_row_and_change_nothing(
        self, operator: Client, watcher: Client, acme: operators.Named, table: str
    ) -> None:
        one_of_each(acme)
        models: dict[str, Any] = {
            "window": Window, "hold": Hold, "entry": Entry, "budgetevent": BudgetEvent,
        }  # fmt: skip
        row = models[table].objects.order_by("pk")[0]
        address = f"/admin/budgets/{table}/{row.pk}"

        answers = [
            watcher.get(f"{address}/change/").status_code,
            operator.post(f"{address}/change/", {"amount": 1}).status_code,
            operator.post(f"{address}/delete/", {"post": "yes"}).status_code,
        ]

        assert answers == [200, 403, 403]
        assert acme.slug in watcher.get(f"{address}/change/").content.decode()

    def test_lead_from_a_hold_to_its_job_and_entries_and_back(
        self, watcher: Client, acme: operators.Named
    ) -> None:
        reference = one_of_each(acme)
        entry = Entry.objects.get(kind="settle")

        hold_page = watcher.get(f"/admin/budgets/hold/{reference}/change/").content.decode()
        entry_page = watcher.get(f"/admin/budgets/entry/{entry.pk}/change/").content.decode()

        assert f"/admin/jobs/job/{reference}/change/" in hold_page
        assert f"/admin/budgets/entry/?q={reference}" in hold_page
        assert f"/admin/jobs/job/{reference}/change/" in entry_page
        assert f"/admin/budgets/hold/{reference}/change/" in entry_page

    def test_link_no_job_where_none_was_admitted(
        self, operator: Client, acme: operators.Named
    ) -> None:
        builders.cap(Layer.ORG, acme.organization_id, WindowKind.DAILY, 0)
        builders.hold(builders.request(acme.payer, 5))

        assert "/admin/jobs/job/" not in page(operator, "budgetevent").split("result_list")[1]


@pytest.mark.django_db(transaction=True)
class TestTimeLimit:
    @pytest.fixture
    def slow(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Make the list of entries read for longer than a statement may."""

        def sleep(admin: Any, rows: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(60)")

        monkeypatch.setattr(EntryAdmin, "look_up", sleep)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '500ms'")
        yield
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")

    @pytest.mark.usefixtures("slow")
    def test_of_a_filter_is_said_in_a_sentence(self, operator: Client) -> None:
        answer = operator.get("/admin/budgets/entry/", {"kind__exact": "hold"})

        assert answer.headers["Location"] == "/admin/budgets/entry/"
        assert ["Narrow it" in one.message for one in get_messages(answer.wsgi_request)] == [True]

    @pytest.mark.usefixtures("slow")
    def test_of_the_plain_list_is_an_error(self, operator: Client) -> None:
        with pytest.raises(OperationalError):
            operator.get("/admin/budgets/entry/")
