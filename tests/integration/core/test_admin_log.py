"""The log of the admin: who did what to which object, readable and never rewritten."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from genie.core.admin import log
from genie.tenants.models import Member, Organization, User
from tests import builders

pytestmark = pytest.mark.django_db

LIST = "/admin/admin/logentry/"


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root")


@pytest.fixture
def browser(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def acme(root: User) -> Organization:
    return Organization.objects.get(id=builders.make_account().organization_id)


def shown(browser: Client, **query: Any) -> list[str]:
    answer = browser.get(LIST, query)
    assert answer.status_code == 200
    return [one.change_message for one in answer.context["cl"].result_list]


class TestPage:
    def test_shows_who_did_what_to_which_object_and_why(
        self, browser: Client, root: User, acme: Organization
    ) -> None:
        log.record(root.pk, acme, "renamed. Reason: <script>alert(1)</script>")

        page = browser.get(LIST).content.decode()

        assert f'<a href="/admin/tenants/organization/{acme.pk}/change/">{acme.slug}</a>' in page
        assert "root" in page
        assert "renamed. Reason: &lt;script&gt;" in page

    def test_is_found_by_user_object_type_and_time(
        self, browser: Client, root: User, acme: Organization
    ) -> None:
        other = User.objects.create_user("other")
        log.record(root.pk, acme, "by root")
        log.record(other.pk, other, "by other")
        kind = LogEntry.objects.get(change_message="by root").content_type_id

        assert shown(browser, user="other") == shown(browser, user=str(other.pk)) == ["by other"]
        assert shown(browser, user="nobody") == []
        assert shown(browser, of=kind) == ["by root"]
        assert shown(browser, q=str(acme.pk)) == ["by root"]
        assert shown(browser, q="other") == ["by other"]
        assert shown(browser, action_within="hour") == ["by other", "by root"]
        assert shown(browser, action_until="2020-01-01T00:00") == []
        assert shown(browser, action=str(log.REFUSED)) == []

    @pytest.mark.parametrize("query", [{"action_from": "yesterday"}, {"nonsense": "x"}])
    def test_takes_nonsense_for_no_filter(self, browser: Client, query: Any) -> None:
        assert browser.get(LIST, query).status_code == 302

    def test_changes_nothing(self, browser: Client, root: User, acme: Organization) -> None:
        log.record(root.pk, acme, "as it was")
        page = f"{LIST}{LogEntry.objects.get().pk}"

        assert browser.get(f"{page}/change/").status_code == 200
        assert browser.post(f"{page}/change/", {"change_message": "x"}).status_code == 403
        assert browser.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
        assert browser.get(f"{LIST}add/").status_code == 403

    def test_counts_nothing(self, browser: Client, root: User, acme: Organization) -> None:
        log.record(root.pk, acme, "one")

        with CaptureQueriesContext(connection) as queries:
            browser.get(LIST)

        assert [one["sql"] for one in queries if "COUNT(" in one["sql"].upper()] == []


class TestForms:
    def test_say_from_what_to_what(self, browser: Client, acme: Organization) -> None:
        member = Member.objects.get(organization=acme)

        browser.post(f"/admin/tenants/member/{member.pk}/change/", {"role": "admin"})

        assert (
            LogEntry.objects.get().change_message == "role: 'owner' \N{RIGHTWARDS ARROW} 'admin'."
        )

    def test_never_say_a_password(self, browser: Client) -> None:
        person = User.objects.create_user("person")
        secret = "correct horse battery staple"

        browser.post(
            f"/admin/tenants/user/{person.pk}/password/",
            {"password1": secret, "password2": secret, "usable_password": "true"},
        )

        assert secret not in LogEntry.objects.get().change_message
        assert "password" in LogEntry.objects.get().change_message


def test_a_user_who_did_something_is_not_deleted(
    browser: Client, root: User, acme: Organization
) -> None:
    log.record(root.pk, acme, "something")

    answer = browser.post(f"/admin/tenants/user/{root.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 403
    assert User.objects.filter(pk=root.pk).exists()
