"""The admin pages: every one opens, no digest shows, and keys can be revoked."""

from typing import Any

import pytest
from django.test import Client

from genie.tenants import services
from genie.tenants.models import ApiKey, User
from tests.integration import operators


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


class TestPages:
    @pytest.mark.parametrize("table", ["user", "organization", "application", "member", "apikey"])
    def test_open(self, acme: Any, operator: Client, table: str) -> None:
        acme.key()

        assert operator.get(f"/admin/tenants/{table}/").status_code == 200

    def test_show_neither_the_secret_nor_its_digest(self, acme: Any, operator: Client) -> None:
        key = acme.key(name="<script>alert(1)</script>")

        page = operator.get(f"/admin/tenants/apikey/{key.row.id}/change/")

        assert page.status_code == 200
        assert b"digest" not in page.content.lower()
        assert b"<script>alert(1)" not in page.content

    def test_change_no_alert_webhook_and_show_no_secret_of_one(
        self, acme: Any, operator: Client
    ) -> None:
        shop = acme.application
        services.set_alert_webhook(
            acme.organization.id, shop.id, url="https://hooks.example.com/", sealed_secret="sealed!"
        )
        page = f"/admin/tenants/application/{shop.id}/change/"

        shown = operator.get(page).content
        operator.post(page, {"name": "renamed", "alert_webhook_url": "http://127.0.0.1/"})

        assert b"https://hooks.example.com/" in shown
        assert b"sealed!" not in shown
        shop.refresh_from_db()
        assert (shop.name, shop.alert_webhook_url, shop.alert_webhook_secret) == (
            "renamed",
            "https://hooks.example.com/",
            "sealed!",
        )

    def test_offer_no_way_to_add_or_delete_a_key(self, acme: Any, operator: Client) -> None:
        key = acme.key().row

        assert operator.get("/admin/tenants/apikey/add/").status_code == 403
        assert operator.post(f"/admin/tenants/apikey/{key.id}/delete/").status_code == 403


class TestState:
    def test_tells_live_keys_from_others(self, acme: Any, operator: Client) -> None:
        live, revoked, expired = acme.key().row, acme.key().row, acme.key().row
        services.revoke_key(acme.organization.id, revoked.id)
        ApiKey.objects.filter(id=expired.id).update(expires_at="2020-01-01T00:00:00Z")

        found = {
            state: [
                one.id
                for one in operator.get("/admin/tenants/apikey/", {"state": state})
                .context["cl"]
                .result_list
            ]
            for state in ("live", "revoked", "expired")
        }

        assert found == {"live": [live.id], "revoked": [revoked.id], "expired": [expired.id]}


class TestAddress:
    def test_without_its_slash_leads_to_the_admin(self, client: Client) -> None:
        assert client.get("/admin").headers["Location"] == "/admin/"
        assert client.post("/admin").status_code == 405


class TestRevoke:
    def test_ends_the_selected_keys(self, acme: Any, operator: Client) -> None:
        chosen, other = acme.key().row, acme.key().row

        operators.confirm(operator, "/admin/tenants/apikey/", "revoke", chosen.id)

        chosen.refresh_from_db()
        other.refresh_from_db()
        assert chosen.revoked_at is not None
        assert other.revoked_at is None
