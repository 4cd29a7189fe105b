"""The operator's commands: one JSON document, one sentence for each refusal."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from budgets.models import Cap
from budgets.types import Payer
from genie.tenants import services as tenants
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> Any:
    out = io.StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.fixture(autouse=True)
def _acme() -> None:
    organization = tenants.create_organization("acme", owner="olga")
    tenants.create_application(organization.id, name="chatbot")


class TestSetCap:
    @pytest.mark.parametrize(
        ("layer", "subject", "window", "field"),
        [
            ("org", [], "monthly", "monthlyBudget"),
            ("application", ["--subject", "chatbot"], "total", "totalSpendCap"),
            ("member", ["--subject", "olga"], "weekly", "weeklySpendCap"),
            ("user", ["--subject", "olga"], "daily", "perUserDailyCredits"),
        ],
    )
    def test_sets_a_cap_of_each_layer(
        self, layer: str, subject: list[str], window: str, field: str
    ) -> None:
        said = run(
            "set_cap", "--org", "acme", "--layer", layer, *subject, "--window", window,
            "--credits", "12.5",
        )  # fmt: skip

        row = Cap.objects.get()
        assert (row.layer, row.window, row.cap_microcredits) == (layer, window, 12_500_000)
        assert said == {
            "layer": layer, "subjectId": str(row.subject_id), "window": window, "field": field,
            "credits": 12.5,
        }  # fmt: skip

    def test_none_makes_it_unlimited_again(self) -> None:
        cap = ["set_cap", "--org", "acme", "--layer", "org", "--window", "daily", "--credits"]
        run(*cap, "0")

        said = run(*cap, "none")

        assert said["credits"] is None
        assert Cap.objects.get().cap_microcredits is None

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["acme", "--layer", "org", "--window", "weekly", "--credits", "1"], "has no weekly"),
            (["acme", "--layer", "org", "--window", "daily", "--credits", "NaN"], "not a finite"),
            (["acme", "--layer", "org", "--window", "daily", "--credits=-1"], "negative"),
            (["acme", "--layer", "org", "--window", "daily", "--credits", ""], "not a number"),
            (["acme", "--layer", "org", "--window", "daily", "--credits", "1e400"], "too large"),
            (["nobody", "--layer", "org", "--window", "daily", "--credits", "1"], "nobody"),
            (["acme", "--layer", "user", "--window", "daily", "--credits", "1"], "needs --subject"),
            (
                ["acme", "--layer", "member", "--subject", "zoe", "--window", "daily",
                 "--credits", "1"],
                "zoe",
            ),
            (
                ["acme", "--layer", "org", "--subject", "acme", "--window", "daily",
                 "--credits", "1"],
                "takes no --subject",
            ),
        ],
    )  # fmt: skip
    def test_refuses_with_one_sentence(self, arguments: list[str], message: str) -> None:
        with pytest.raises(CommandError, match=message):
            call_command("set_cap", "--org", *arguments)

        assert not Cap.objects.exists()


class TestBudgetsShow:
    def test_shows_caps_and_counters(self) -> None:
        organization = tenants.existing_organization("acme")
        application = tenants.existing_application(organization, "chatbot")
        call_command(
            "set_cap", "--org", "acme", "--layer", "org", "--window", "daily", "--credits", "1",
            stdout=io.StringIO(),
        )  # fmt: skip
        payer = Payer(organization_id=organization.id, application_id=application.id)
        builders.settle(builders.admitted(payer, 250_000), 100_000)

        shown = run("budgets", "show", "--org", "acme", "--application", "chatbot")

        assert [(one["layer"], one["window"]) for one in shown] == [
            ("org", "daily"), ("org", "monthly"), ("application", "daily"),
            ("application", "weekly"), ("application", "monthly"), ("application", "total"),
        ]  # fmt: skip
        first = shown[0]
        assert (first["cap"], first["spent"], first["held"], first["remaining"]) == (1, 0.1, 0, 0.9)
        assert first["resetsAt"].endswith("T00:00:00.000Z")
        assert (shown[-1]["resetsAt"], shown[-1]["cap"]) == (None, None)

    def test_prints_a_line_for_each_window(self) -> None:
        out = io.StringIO()

        call_command("budgets", "show", "--org", "acme", "--member", "olga", stdout=out)

        assert len(out.getvalue().splitlines()) == 7
        assert "cap unlimited, spent 0, held 0" in out.getvalue()
