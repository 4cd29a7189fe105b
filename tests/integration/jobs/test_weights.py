"""Operators see and set weights, by command and in the admin."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from genie.core import ids
from genie.tenants.models import User
from jobs.models import Weight
from tests import builders

pytestmark = pytest.mark.django_db


def weights(capsys: Any, *arguments: str) -> Any:
    call_command("weights", *arguments, "--json")
    return json.loads(capsys.readouterr().out.splitlines()[-1])


class TestCommand:
    def test_sets_and_lists(self, account: Any, capsys: Any) -> None:
        weights(capsys, "set", account.slug, "300")
        weights(capsys, "set", account.slug, "50", "--application", "shop")

        assert weights(capsys, "list") == {
            "weights": [
                {"organization": account.slug, "application": "shop", "weight": 50},
                {"organization": account.slug, "application": None, "weight": 300},
            ]
        }

    def test_a_dry_run_judges_and_writes_nothing(self, account: Any, capsys: Any) -> None:
        assert weights(capsys, "set", account.slug, "300", "--dry-run")["dryRun"] is True
        with pytest.raises(CommandError, match="is from 1 to"):
            call_command("weights", "set", account.slug, "0", "--dry-run")
        assert not Weight.objects.exists()

    def test_sets_again_and_takes_back(self, account: Any, capsys: Any) -> None:
        weights(capsys, "set", account.slug, "300")
        weights(capsys, "set", account.slug, "200")
        assert Weight.objects.get().weight == 200

        weights(capsys, "set", account.slug, "100")

        assert not Weight.objects.exists()
        call_command("weights", "list")
        assert "Everybody has the normal weight" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["set", "nobody", "5"], "there is none of the name 'nobody'"),
            (["set", "SLUG", "0"], "from 1 to 10,000"),
            (["set", "SLUG", "5", "--application", "lab"], "has none of the name 'lab'"),
        ],
    )
    def test_says_what_is_wrong(self, account: Any, arguments: list[str], sentence: str) -> None:
        given = [account.slug if one == "SLUG" else one for one in arguments]

        with pytest.raises(CommandError, match=sentence):
            call_command("weights", *given)


class TestAdmin:
    @pytest.fixture
    def root(self) -> Client:
        user = User.objects.create_superuser(f"root-{ids.new_id()}")
        client = Client()
        client.force_login(user)
        return client

    def test_shows_and_takes_a_weight(self, root: Client, account: Any) -> None:
        form = {"organization": account.organization_id, "application": "", "weight": 250}

        answer = root.post("/admin/jobs/weight/add/", form)

        assert answer.status_code == 302
        page = root.get("/admin/jobs/weight/").content.decode()
        assert 'value="250"' in page
        assert f'aria-label="Weight of {account.slug}"' in page

    def test_refuses_an_application_of_another_organization(
        self, root: Client, account: Any
    ) -> None:
        other = builders.make_account()
        form = {
            "organization": account.organization_id,
            "application": other.application_id,
            "weight": 250,
        }

        page = root.post("/admin/jobs/weight/add/", form).content.decode()

        assert "It belongs to another organization." in page
        assert not Weight.objects.exists()
