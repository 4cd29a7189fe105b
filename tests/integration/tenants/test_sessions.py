"""A session on the lean path, which runs no middleware."""

from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest
from django.test import Client, RequestFactory

from genie.core import errors
from genie.tenants import authentication
from genie.tenants.models import User
from tests.integration.tenants.conftest import CSRF


def request_of(user: User, method: str = "GET", *, token: str | None = None) -> HttpRequest:
    client = Client()
    client.force_login(user)
    request = RequestFactory(headers={"X-CSRFToken": token} if token else {}).generic(
        method, "/v1/jobs"
    )
    request.COOKIES[settings.SESSION_COOKIE_NAME] = client.cookies[
        settings.SESSION_COOKIE_NAME
    ].value
    request.COOKIES[settings.CSRF_COOKIE_NAME] = CSRF
    return request


class TestAuthenticateSession:
    def test_acts_for_the_users_default_organization(self, acme: Any) -> None:
        principal = authentication.authenticate_session(request_of(acme.member))

        assert principal.organization_id == acme.organization.id
        assert (principal.user_id, principal.key_id) == (acme.member.id, None)

    def test_needs_the_token_on_an_unsafe_method(self, acme: Any) -> None:
        with pytest.raises(errors.Forbidden, match="CSRF"):
            authentication.authenticate_session(request_of(acme.member, "POST"))
        with pytest.raises(errors.Forbidden, match="CSRF"):
            authentication.authenticate_session(request_of(acme.member, "POST", token="x" * 32))

        principal = authentication.authenticate_session(request_of(acme.member, "POST", token=CSRF))
        assert principal.user_id == acme.member.id

    @pytest.mark.parametrize("cookie", ["", "x", "\0", "a" * 40])
    def test_refuses_a_session_that_is_none(self, db: None, cookie: str) -> None:
        request = RequestFactory().get("/v1/jobs")
        request.COOKIES[settings.SESSION_COOKIE_NAME] = cookie

        with pytest.raises(errors.Unauthorized):
            authentication.authenticate_session(request)

    def test_refuses_a_user_who_became_inactive(self, acme: Any) -> None:
        request = request_of(acme.member)
        acme.member.is_active = False
        acme.member.save()

        with pytest.raises(errors.Unauthorized):
            authentication.authenticate_session(request)

    def test_refuses_a_user_of_no_organization(self, db: None) -> None:
        with pytest.raises(errors.Forbidden, match="no organization"):
            authentication.authenticate_session(request_of(User.objects.create_user("nomad")))
