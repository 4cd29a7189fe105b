"""The spending page of the admin by model: jobs know models, the ledger knows what was spent."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from budgets.types import Payer
from genie.core import ids
from tests import builders
from tests.integration.budgets import builders as money
from tests.integration.budgets import operators

pytestmark = pytest.mark.django_db


def page(account: Any, **query: str) -> str:
    client: Client = operators.staff(["view_window"])
    answer = client.get("/admin/budgets/window/spending/", {"organization": account.slug, **query})
    assert answer.status_code == 200
    return answer.content.decode()


def parts(text: str) -> list[str]:
    return re.findall(r"<rect class=\"part[^>]*><title>([^<]*)</title>", text)


def test_shows_each_day_by_model(account: Any) -> None:
    for model in ("big", "big", "small"):
        builders.make_ended_job(account, model=model)
    today = timezone.now().date()

    text = page(account, by="model")

    assert parts(text) == [
        f"big, {today}: 0.000014 credits",
        f"small, {today}: 0.000007 credits",
    ]
    assert "by model" in text


def test_shows_what_the_ledger_has_beyond_the_jobs(account: Any) -> None:
    builders.make_ended_job(account, model="big")
    payer = Payer(organization_id=account.organization_id, application_id=ids.new_id())
    money.settle(money.admitted(payer, 5), 5)
    today = timezone.now().date()

    assert parts(page(account, by="model")) == [
        f"big, {today}: 0.000007 credits",
        f"no known model, {today}: 0.000005 credits",
    ]


@pytest.mark.parametrize("by", ["", "application", "no-such-way"])
def test_is_by_application_unless_it_is_asked_by_model(account: Any, by: str) -> None:
    builders.make_ended_job(account, model="big")

    text = page(account, by=by)

    assert parts(text) == [f"shop, {timezone.now().date()}: 0.000007 credits"]
    assert "by=model" in text
