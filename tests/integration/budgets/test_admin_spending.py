"""The page with the spending chart: true to the ledger, quick, escaped, and for whoever may look."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from budgets.types import Payer
from budgets.windows import Layer, WindowKind
from genie.tenants import services as tenants
from tests.integration.budgets import builders, operators

pytestmark = pytest.mark.django_db

NOBODY = "01a22a69-8626-7399-a041-c0dcc2a57e6f"  # the same in every process that collects tests
PAGE = "/admin/budgets/window/spending/"


@pytest.fixture
def watcher() -> Client:
    """A colleague who may look at counters and nothing else."""
    return operators.staff(["view_window"])


@pytest.fixture
def acme() -> Any:
    return operators.make_named()


@pytest.fixture(autouse=True)
def real_clock() -> Iterator[None]:
    yield
    builders.set_clock(None)


def spend(payer: Payer, amount: int, *, days_ago: int = 0) -> None:
    builders.set_clock(timezone.now() - dt.timedelta(days=days_ago) if days_ago else None)
    builders.settle(builders.admitted(payer, amount), amount)
    builders.set_clock(None)


def page(client: Client, named: operators.Named) -> str:
    answer = client.get(PAGE, {"organization": named.slug})
    assert answer.status_code == 200
    return answer.content.decode()


def parts(text: str) -> list[str]:
    return re.findall(r"<rect class=\"part[^>]*><title>([^<]*)</title>", text)


class TestChart:
    def test_draws_each_day_by_application(self, watcher: Client, acme: operators.Named) -> None:
        spend(acme.payer, 1_500_000)
        spend(acme.payer, 2_000_000, days_ago=29)
        today = timezone.now().date()

        assert parts(page(watcher, acme)) == [
            f"chatbot, {today - dt.timedelta(days=29)}: 2 credits",
            f"chatbot, {today}: 1.5 credits",
        ]

    def test_leaves_out_older_days_and_other_organisations(
        self, watcher: Client, acme: operators.Named
    ) -> None:
        spend(acme.payer, 5, days_ago=30)
        spend(operators.make_named().payer, 5)

        assert "has spent nothing in the last 30 days" in page(watcher, acme)

    def test_shows_what_was_spent_without_an_application(
        self, watcher: Client, acme: operators.Named
    ) -> None:
        spend(Payer(organization_id=acme.organization_id), 3_000_000)

        assert parts(page(watcher, acme)) == [
            f"no known application, {timezone.now().date()}: 3 credits"
        ]

    def test_has_the_same_numbers_in_a_table(self, watcher: Client, acme: operators.Named) -> None:
        spend(acme.payer, 1_500_000)

        text = page(watcher, acme)

        row = re.search(rf"{timezone.now().date()}</th>(.*?)</tr>", text, re.DOTALL)
        assert row is not None
        assert re.findall(r">([\d.]+)<", row[1]) == ["1.500000", "1.500000"]

    def test_has_the_daily_cap_as_a_line(self, watcher: Client, acme: operators.Named) -> None:
        builders.cap(Layer.ORG, acme.organization_id, WindowKind.DAILY, 4_000_000)
        spend(acme.payer, 1_500_000)

        assert "daily cap 4" in page(watcher, acme)

    def test_says_where_a_cap_beyond_the_picture_is(
        self, watcher: Client, acme: operators.Named
    ) -> None:
        builders.cap(Layer.ORG, acme.organization_id, WindowKind.DAILY, 4_000_000_000)
        spend(acme.payer, 1_500_000)

        assert "The daily cap of 4000 lies far above" in page(watcher, acme)

    def test_escapes_what_applications_are_called(self, watcher: Client) -> None:
        evil = operators.make_named(application='</title><script>alert("1")</script>')
        spend(evil.payer, 5)

        text = page(watcher, evil)

        assert "alert(" in text
        assert "<script>alert(" not in text
        assert len(parts(text)) == 1

    def test_brings_its_own_styles_and_no_script(
        self, watcher: Client, acme: operators.Named
    ) -> None:
        spend(acme.payer, 5)

        text = page(watcher, acme)
        main = text[text.index('id="content-main"') :]

        assert "style=" not in main
        assert "<script" not in main
        assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)


class TestStatements:
    @pytest.mark.parametrize("applications", [1, 12])
    def test_read_the_counters_once_by_their_index(
        self, watcher: Client, acme: operators.Named, applications: int
    ) -> None:
        for number in range(applications):
            app = tenants.create_application(acme.organization_id, name=f"app {number}")
            spend(Payer(organization_id=acme.organization_id, application_id=app.id), 5)

        with CaptureQueriesContext(connection) as queries:
            page(watcher, acme)

        reading = [one["sql"] for one in queries if "budgets_window" in one["sql"]]
        assert len(queries) <= 10
        # The days of the organisation, those of its applications, and the balances of now.
        assert len(reading) == 3


class TestOverview:
    def test_lists_organisations_to_choose_from(
        self, watcher: Client, acme: operators.Named
    ) -> None:
        spend(acme.payer, 1_500_000)

        text = watcher.get(PAGE).content.decode()

        assert f"?organization={acme.slug}" in text
        assert "1.5" in text

    def test_says_how_to_begin_where_there_is_none(self, watcher: Client) -> None:
        assert "create_org" in watcher.get(PAGE).content.decode()

    @pytest.mark.parametrize("wanted", ["nowhere", "<script>alert(1)</script>", "\x00", NOBODY])
    def test_says_that_there_is_no_such_organisation(self, watcher: Client, wanted: str) -> None:
        answer = watcher.get(PAGE, {"organization": wanted})

        assert answer.status_code == 200
        assert "There is no organization" in answer.content.decode()
        assert "<script>alert(1)" not in answer.content.decode()


class TestAccess:
    def test_is_refused_to_who_may_not_look(self) -> None:
        assert operators.staff(["view_cap"]).get(PAGE).status_code == 403

    def test_is_refused_to_strangers(self, client: Client) -> None:
        assert client.get(PAGE).status_code == 302

    def test_is_reached_from_the_index_the_counters_and_the_organisation(
        self, acme: operators.Named
    ) -> None:
        root = operators.superuser()
        organization = f"/admin/tenants/organization/{acme.organization_id}/change/"

        assert PAGE in root.get("/admin/budgets/").content.decode()
        assert PAGE in root.get("/admin/budgets/window/").content.decode()
        assert f"{PAGE}?organization={acme.slug}" in root.get(organization).content.decode()
