"""The operator's commands: one JSON document, one sentence for each refusal."""

import base64
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from budgets.models import Cap
from budgets.types import Payer
from genie.core import crypto
from genie.tenants import services as tenants
from genie.tenants.models import Application
from tests.integration.budgets import builders
from webhooks import signing

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
            "credits": 12.5, "raisedUntil": None,
        }  # fmt: skip

    def test_a_dry_run_shows_what_counts_and_writes_nothing(self) -> None:
        place = ["--org", "acme", "--layer", "org", "--window", "daily"]
        run("set_cap", *place, "--credits", "5")

        assert run("set_cap", *place, "--credits", "7", "--dry-run")["cap"] == 5
        with pytest.raises(CommandError, match="--credits"):
            run("set_cap", *place, "--credits", "many", "--dry-run")
        assert Cap.objects.get().cap_microcredits == 5_000_000

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
            (["acme", "--layer", "user", "--window", "daily", "--credits", "1"], "needs a subject"),
            (
                ["acme", "--layer", "member", "--subject", "zoe", "--window", "daily",
                 "--credits", "1"],
                "zoe",
            ),
            (
                ["acme", "--layer", "org", "--subject", "acme", "--window", "daily",
                 "--credits", "1"],
                "takes no subject",
            ),
            (
                ["acme", "--layer", "org", "--window", "daily", "--credits", "none",
                 "--raise-until", "2999-01-01T00:00Z"],
                "number of credits",
            ),
            (
                ["acme", "--layer", "org", "--window", "daily", "--credits", "1",
                 "--raise-until", "2999-01-01T00:00Z"],
                "daily cap of the org layer is unlimited, so there is nothing to raise",
            ),
            (
                ["acme", "--layer", "org", "--window", "daily", "--credits", "1",
                 "--raise-until", "2001-01-01T00:00Z"],
                "future",
            ),
            (
                ["acme", "--layer", "org", "--window", "daily", "--credits", "1",
                 "--raise-until", "2999-01-01"],
                "no time with its offset",
            ),
            (
                ["acme", "--layer", "org", "--window", "daily", "--credits", "1",
                 "--raise-until", "tomorrow"],
                "no time with its offset",
            ),
        ],
    )  # fmt: skip
    def test_refuses_with_one_sentence(self, arguments: list[str], message: str) -> None:
        with pytest.raises(CommandError, match=message):
            call_command("set_cap", "--org", *arguments)

        assert not Cap.objects.exists()

    def test_raises_a_cap_until_a_time(self) -> None:
        cap = ["set_cap", "--org", "acme", "--layer", "org", "--window", "daily", "--credits"]
        run(*cap, "10")

        said = run(*cap, "25", "--raise-until", "2999-01-01T02:00:00+02:00")

        assert (said["credits"], said["raisedUntil"]) == (25, "2999-01-01T00:00:00.000Z")
        row = Cap.objects.get()
        assert (row.cap_microcredits, row.raised_microcredits) == (10_000_000, 25_000_000)

    def test_says_of_which_cap_a_raise_is_none(self) -> None:
        cap = ["set_cap", "--org", "acme", "--layer", "org", "--window", "daily", "--credits"]
        run(*cap, "10")

        with pytest.raises(CommandError, match="is 10 credits; a raise goes above it"):
            call_command(*cap, "10", "--raise-until", "2999-01-01T00:00Z")


class TestSetApplication:
    def test_sets_what_its_caps_do_and_who_is_told(self) -> None:
        command = ["set_application", "--org", "acme", "--application", "chatbot"]

        said = run(
            *command, "--on-cap-hit", "soft-warn", "--alert-url", "https://93.184.216.34/hooks",
            "--new-alert-secret",
        )  # fmt: skip

        row = Application.objects.get()
        assert row.alert_webhook_url == said["alertWebhookUrl"] == "https://93.184.216.34/hooks"
        secret = said["alertWebhookSecret"]
        assert crypto.unseal(row.alert_webhook_secret or "") == secret
        # Neither is the secret taken for text, nor does a library that wants base64 refuse it.
        assert signing.standard_key(secret) == base64.b64decode(secret.removeprefix("whsec_"))
        assert set(Cap.objects.values_list("on_cap_hit", flat=True)) == {"soft-warn"}

    def test_leaves_alone_what_is_not_named(self) -> None:
        command = ["set_application", "--org", "acme", "--application", "chatbot"]
        run(*command, "--alert-url", "https://93.184.216.34/hooks", "--new-alert-secret")

        said = run(*command, "--on-cap-hit", "block")

        assert said["alertWebhookSecret"] is None
        row = Application.objects.get()
        assert row.alert_webhook_url is not None
        assert row.alert_webhook_secret is not None

    def test_none_stops_telling(self) -> None:
        command = ["set_application", "--org", "acme", "--application", "chatbot", "--alert-url"]
        run(*command, "https://93.184.216.34/hooks", "--new-alert-secret")

        run(*command, "none")

        row = Application.objects.get()
        assert (row.alert_webhook_url, row.alert_webhook_secret) == (None, None)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["chatbot"], "Nothing to change"),
            (["ghost", "--on-cap-hit", "block"], "ghost"),
            (["chatbot", "--alert-url", "http://127.0.0.1/"], "https URL of a public host"),
            (["chatbot", "--new-alert-secret"], "nothing to sign"),
        ],
    )
    def test_refuses_with_one_sentence(self, arguments: list[str], message: str) -> None:
        with pytest.raises(CommandError, match=message):
            call_command("set_application", "--org", "acme", "--application", *arguments)

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
        assert (first["baseCap"], first["raisedUntil"], first["onCapHit"]) == (1, None, "block")

    def test_shows_a_raise_and_a_cap_that_does_not_block(self) -> None:
        cap = [
            "set_cap", "--org", "acme", "--layer", "application", "--subject", "chatbot",
            "--window", "total", "--credits",
        ]  # fmt: skip
        run(*cap, "10")
        run(*cap, "25", "--raise-until", "2999-01-01T00:00:00Z")
        run("set_application", "--org", "acme", "--application", "chatbot",
            "--on-cap-hit", "notify-only")  # fmt: skip
        out = io.StringIO()

        call_command("budgets", "show", "--org", "acme", "--application", "chatbot", stdout=out)
        shown = run("budgets", "show", "--org", "acme", "--application", "chatbot")

        last = shown[-1]
        assert (last["cap"], last["baseCap"], last["remaining"]) == (25, 10, 25)
        assert (last["raisedUntil"], last["onCapHit"]) == (
            "2999-01-01T00:00:00.000Z", "notify-only",
        )  # fmt: skip
        assert (
            out.getvalue()
            .splitlines()[-1]
            .endswith(
                "cap 25, spent 0, held 0, left 25; raised from 10 until 2999-01-01T00:00:00.000Z; notify-only"
            )
        )

    @pytest.mark.parametrize(
        ("since", "until"), [("2026-11-02", "2026-11-01"), ("2026-11-01", "2026-11-01")]
    )
    def test_simulates_no_time_that_ends_before_it_begins(self, since: str, until: str) -> None:
        with pytest.raises(CommandError, match=r"--from 2026\S+ is not before --to 2026-11-01T"):
            call_command(
                "budgets", "simulate", "--org", "acme", "--cap", "org:daily=0",
                "--from", since, "--to", until,
            )  # fmt: skip

    def test_prints_a_line_for_each_window(self) -> None:
        out = io.StringIO()

        call_command("budgets", "show", "--org", "acme", "--member", "olga", stdout=out)

        assert len(out.getvalue().splitlines()) == 7
        assert "cap unlimited, spent 0, held 0" in out.getvalue()


class TestOneCap:
    PLACE = ("--org", "acme", "--layer", "application", "--subject", "chatbot", "--window", "daily")

    def set_cap(self, credit_text: str) -> None:
        run("set_cap", *self.PLACE, "--credits", credit_text)

    def test_shows_what_counts_and_who_changed_it(self) -> None:
        self.set_cap("5")
        self.set_cap("7")

        told = run("budgets", "cap", *self.PLACE)

        assert (told["cap"], told["remaining"], told["raisedUntil"]) == (7, 7, None)
        assert [one["by"] for one in told["changes"]] == ["set_cap (command line)"] * 2
        assert told["changes"][1]["was"] is None

    def test_without_a_cap_it_is_unlimited(self) -> None:
        told = run("budgets", "cap", *self.PLACE)

        assert (told["cap"], told["changes"]) == (None, [])

    def test_raises_for_a_time_and_ends_that(self) -> None:
        self.set_cap("5")
        until = ["--until", "2999-01-01T00:00:00Z"]

        raised = run("budgets", "raise", *self.PLACE, "--credits", "25", *until)
        ended = run("budgets", "end-raise", *self.PLACE)

        assert (raised["cap"], raised["baseCap"]) == (25, 5)
        assert raised["raisedUntil"] == "2999-01-01T00:00:00.000Z"
        assert (ended["wasRaised"], ended["cap"], ended["raisedUntil"]) == (True, 5, None)
        assert run("budgets", "end-raise", *self.PLACE)["wasRaised"] is False

    def test_a_dry_run_changes_nothing(self) -> None:
        self.set_cap("5")
        words = [*self.PLACE, "--credits", "25", "--until", "2999-01-01T00:00:00Z"]

        assert run("budgets", "raise", *words, "--dry-run")["cap"] == 5
        run("budgets", "raise", *words)
        assert run("budgets", "end-raise", *self.PLACE, "--dry-run")["wasRaised"] is True
        assert run("budgets", "cap", *self.PLACE)["cap"] == 25

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--credits", "none", "--until", "2999-01-01T00:00:00Z"], "a raise is a number"),
            (["--credits", "4", "--until", "2999-01-01T00:00:00Z"], "a raise goes above it"),
            (["--credits", "9", "--until", "tomorrow"], "--until: 'tomorrow' is no time"),
        ],
    )
    def test_refuses_what_is_no_raise(self, words: list[str], sentence: str) -> None:
        self.set_cap("5")

        with pytest.raises(CommandError, match=sentence):
            run("budgets", "raise", *self.PLACE, *words)

    def test_refuses_a_window_that_the_layer_lacks(self) -> None:
        with pytest.raises(CommandError, match="The org layer has no total window"):
            run("budgets", "cap", "--org", "acme", "--layer", "org", "--window", "total")
