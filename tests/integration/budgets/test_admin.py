"""The admin shows the ledger and changes nothing."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from budgets.models import Entry
from genie.tenants.models import User
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db

TABLES = ["cap", "window", "hold", "entry", "budgetevent", "alert"]


@pytest.fixture
def operator(client: Client) -> Client:
    """Return the client of a superuser."""
    client.force_login(User.objects.create_superuser("root", password=None))
    return client


class TestLists:
    @pytest.mark.parametrize("table", TABLES)
    def test_open_without_counting_the_table(self, operator: Client, table: str) -> None:
        builders.admitted(builders.new_payer(), 5)

        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = operator.get(f"/admin/budgets/{table}/")

        assert answer.status_code == 200
        assert [one["sql"] for one in queries if "COUNT(" in one["sql"].upper()] == []

    @pytest.mark.parametrize("table", TABLES)
    def test_add_nothing(self, operator: Client, table: str) -> None:
        assert operator.get(f"/admin/budgets/{table}/add/").status_code == 403

    def test_change_and_delete_nothing(self, operator: Client) -> None:
        builders.admitted(builders.new_payer(), 5)
        page = f"/admin/budgets/entry/{Entry.objects.get().pk}"

        answers = [
            operator.get(f"{page}/change/").status_code,
            operator.post(f"{page}/change/", {"amount": 1}).status_code,
            operator.post(f"{page}/delete/", {"post": "yes"}).status_code,
        ]

        assert answers == [200, 403, 403]
        assert Entry.objects.get().amount == 5
