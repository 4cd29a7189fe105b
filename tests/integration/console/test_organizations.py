"""A person of several organisations acts for one of them: in pages, and with the API's session."""

from typing import Any

import pytest
from django.test import Client

from genie.tenants import acting, authentication, services
from genie.tenants.models import ApiKey, Member
from genie.tenants.scopes import Role
from tests import builders

pytestmark = pytest.mark.django_db

SWITCH = "/account/organization"
NOBODYS = "0c9b5e5e-3f60-4bb5-9d0a-3c1d7a0f6b11"  # the same wherever the tests are collected


@pytest.fixture
def both(acme: Any, stranger: Any) -> Any:
    """A member of one organisation who is an admin of another, joined later."""
    services.create_member(
        stranger.organization.id, username=acme.member.get_username(), role=Role.ADMIN
    )
    return acme.member


def switch(browser: Client, organization: Any) -> Any:
    return browser.post(SWITCH, {"organization": str(organization)}, follow=True)


class TestSwitch:
    def test_is_offered_to_who_has_a_choice(self, acme: Any, both: Any, browser_of: Any) -> None:
        assert SWITCH in browser_of(both).get("/account").content.decode()
        assert SWITCH not in browser_of(acme.owner).get("/account").content.decode()

    def test_shows_the_other_organization_with_the_role_there(
        self, acme: Any, stranger: Any, both: Any, browser_of: Any
    ) -> None:
        browser = browser_of(both)

        page = switch(browser, stranger.organization.id).content.decode()

        assert f"You act for {stranger.organization.slug} now." in page
        assert f"{stranger.organization.slug}, admin" in page
        assert browser.get("/account/members").status_code == 200

    def test_is_what_the_api_acts_for(
        self, stranger: Any, both: Any, browser_of: Any, rf: Any
    ) -> None:
        browser = browser_of(both)
        switch(browser, stranger.organization.id)
        request = rf.get("/v1/jobs")
        request.COOKIES.update({name: one.value for name, one in browser.cookies.items()})

        principal = authentication.authenticate_session(request)

        assert (principal.organization_id, principal.role) == (stranger.organization.id, Role.ADMIN)
        assert browser.get("/v1/webhooks").status_code == 200

    def test_a_made_key_is_of_the_chosen_one(
        self, stranger: Any, both: Any, browser_of: Any
    ) -> None:
        browser = browser_of(both)
        switch(browser, stranger.organization.id)

        browser.post("/account/keys/new", {"name": "mine", "scopes": ["inference"]})

        assert ApiKey.objects.get().organization_id == stranger.organization.id

    @pytest.mark.parametrize("named", ["", "nonsense", NOBODYS])
    def test_leads_nowhere_else(self, acme: Any, both: Any, browser_of: Any, named: str) -> None:
        browser = browser_of(both)

        assert browser.post(SWITCH, {"organization": named}).status_code == 404
        assert acme.organization.slug in browser.get("/account").content.decode()

    def test_leads_to_nobody_elses(self, acme: Any, stranger: Any, browser_of: Any) -> None:
        answer = browser_of(acme.owner).post(
            SWITCH, {"organization": str(stranger.organization.id)}
        )

        assert answer.status_code == 404

    def test_ends_with_the_membership(
        self, acme: Any, stranger: Any, both: Any, browser_of: Any
    ) -> None:
        browser = browser_of(both)
        switch(browser, stranger.organization.id)
        Member.objects.filter(user=both, organization=stranger.organization).delete()

        page = browser.get("/account").content.decode()

        assert f"{acme.organization.slug}, member" in page

    def test_is_this_sessions_alone(
        self, acme: Any, stranger: Any, both: Any, browser_of: Any
    ) -> None:
        switch(browser_of(both), stranger.organization.id)

        assert acme.organization.slug in browser_of(both).get("/account").content.decode()


@pytest.mark.parametrize("kept", [None, 7, "x" * 36, "", NOBODYS])
def test_what_a_session_has_kept_is_not_trusted(kept: Any) -> None:
    account = builders.make_account()

    principal = acting.principal(account.user_id, {"organization": kept})

    assert principal is not None
    assert principal.organization_id == account.organization_id
