"""Every page of the admin: nothing for whoever is not staff, nothing for staff without permissions."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver

from genie.tenants.models import User
from tests import builders

_PARAMETER = re.compile(r"<[^>]+>|\(\?P<[^>]+>[^)]*\)")
# Open to all: the way in, and the words of its scripts. Signing out is nobody's secret either.
_OPEN = {"/admin/login/", "/admin/logout/"}
# For every member of staff: the index, which lists what they may see, and their own password.
_STAFF = {"/admin/", "/admin/jsi18n/", "/admin/password_change/", "/admin/password_change/done/"}


def pages(patterns: Any = None, prefix: str = "/admin/") -> Iterator[str]:
    """Yield the path of every page, with an id of nothing for its parameters."""
    for one in patterns or admin.site.get_urls():
        path = prefix + _PARAMETER.sub("x", str(one.pattern).lstrip("^").rstrip("$"))
        if isinstance(one, URLResolver):
            yield from pages(one.url_patterns, path)
        elif isinstance(one, URLPattern):
            yield path


PAGES = sorted(set(pages()) - _OPEN)


@pytest.fixture
def colleague(db: None) -> User:
    """An owner of an organisation, who has no place in the admin."""
    return User.objects.get(id=builders.make_account().user_id)


@pytest.fixture
def assistant(db: None) -> User:
    """Staff, to whom nothing is permitted yet."""
    return User.objects.create_user("assistant", password="irrelevant", is_staff=True)


def test_there_are_as_many_as_there_are_tables_to_look_at() -> None:
    assert len(PAGES) > 5 * len(admin.site._registry)


def test_no_page_is_for_who_is_not_staff(colleague: User) -> None:
    signed_in = Client()
    signed_in.force_login(colleague)
    answers = {
        (page, name, method): client.generic(method, page)
        for page in PAGES
        for name, client in (("nobody", Client()), ("colleague", signed_in))
        for method in ("GET", "POST")
    }

    shown = [
        asked
        for asked, answer in answers.items()
        if answer.status_code != 302 or not answer["Location"].startswith("/admin/login/?next=")
    ]

    assert shown == []


def test_no_page_is_for_staff_without_permissions(assistant: User) -> None:
    client = Client()
    client.force_login(assistant)
    answers = {page: client.get(page, follow=True) for page in PAGES if page not in _STAFF}

    shown = [
        page
        for page, answer in answers.items()
        if answer.status_code not in (403, 404) and answer.request["PATH_INFO"] != "/admin/"
    ]

    assert shown == []
