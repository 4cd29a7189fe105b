"""What a browser is told about every page: scripts of ours alone, no frames, no sniffing, no leaks."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from genie.tenants.models import User
from tests.integration.tenancy.test_admin_pages import PAGES

pytestmark = pytest.mark.django_db

_INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")[^>]*>|\son[a-z]+=|href=\"javascript:"
    r"|<style|<[^>]+\sstyle=[\"']"
)


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("stella", password="irrelevant"))
    return client


def directives(policy: str) -> dict[str, set[str]]:
    parts = [part.split() for part in policy.split(";") if part.strip()]
    return {name: set(sources) for name, *sources in parts}


def test_a_page_has_every_header(staff: Client) -> None:
    page = staff.get("/admin/")

    policy = directives(page["Content-Security-Policy"])
    assert policy["default-src"] == policy["script-src"] == policy["style-src"] == {"'self'"}
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == {"'none'"}
    assert policy["form-action"] == {"'self'"}
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["Referrer-Policy"] == "same-origin"
    assert page["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page["X-Frame-Options"] == "DENY"


def test_no_page_of_the_admin_needs_what_its_policy_refuses(staff: Client) -> None:
    answers = {page: staff.get(page, follow=True) for page in PAGES}
    shown = {
        page: answer
        for page, answer in answers.items()
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html")
    }

    assert len(shown) > 30
    assert [page for page, one in shown.items() if "Content-Security-Policy" not in one] == []
    assert {
        page: found for page, one in shown.items() if (found := _INLINE.findall(one.text))
    } == {}


def test_what_is_no_page_loads_nothing() -> None:
    answer = Client().get("/api/orgs/x/api-keys")

    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_https_is_demanded_and_cookies_are_kept_to_it(settings: Settings) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    User.objects.create_superuser("stella", password="right horse battery staple")
    client = Client()

    login = client.get(reverse("admin:login"), secure=True)
    client.post(
        reverse("admin:login"),
        {"username": "stella", "password": "right horse battery staple"},
        secure=True,
    )

    assert login["Strict-Transport-Security"] == "max-age=31536000"
    session = client.cookies["sessionid"]
    assert (session["secure"], session["httponly"], session["samesite"]) == (True, True, "Lax")
    assert client.cookies["csrftoken"]["secure"] is True
