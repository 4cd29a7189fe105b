"""Every route of every contract x owner, colleague, stranger, revoked key, nobody.

The routes are read from the tables that serve them, so that a new one without a case fails here.
Requests go through ``genie.asgi`` as in production, on a real PostgreSQL and Redis.
"""

import asyncio
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from genie.core.errors import MethodNotAllowed
from jobs.mounts import MOUNTS
from tests import in_process
from tests.in_process import Answer
from tests.integration.tenancy.cases import CASES, Case, Catalog, Creation, Listing, Open, Thing
from tests.integration.tenancy.world import HOSTILE, Who, World, unchanged

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_OWN_HEADERS = ("x-request-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset", "expires")


Route = tuple[str, str]  # method and path
_ALIAS = "api/v1/"  # of v1/, with the same views


def lean_routes() -> Iterator[tuple[Route, Any]]:
    """Yield every route of the wire contracts with its view."""
    for mount in MOUNTS:
        for one in importlib.import_module(mount.urlconf).urlpatterns:
            with pytest.raises(MethodNotAllowed) as refused:
                asyncio.run(one.callback(RequestFactory().generic("TRACE", "/")))
            for method in refused.value.headers["Allow"].split(", "):
                yield (method, str(one.pattern)), one.callback


def django_routes(resolver: Any = None, prefix: str = "") -> Iterator[tuple[Route, Any]]:
    """Yield every other route but those of pages: the admin's, and of ``genie.console``.

    ``test_admin_pages`` and the tests of the console ask these, as browsers with a session do.
    """
    for one in (resolver or get_resolver("genie.urls")).url_patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver) and one.namespace not in ("admin", "console"):
            yield from django_routes(one, path)
        elif isinstance(one, URLPattern) and path != "admin":
            view = getattr(one.callback, "view_class", one.callback)
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                if hasattr(view, method.lower()):
                    yield (method, path), view


VIEWS = dict([*lean_routes(), *django_routes()])
ROUTES = sorted(route for route in VIEWS if not route[1].startswith(_ALIAS))


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("jobs.queue.sender.send", lambda jobs: None)
    with in_process.site() as site:
        yield World(site)


def test_every_route_has_a_case_and_every_case_a_route() -> None:
    assert sorted(CASES) == ROUTES


def test_an_alias_is_the_same_view() -> None:
    aliases = [route for route in VIEWS if route[1].startswith(_ALIAS)]

    assert len(aliases) > 30
    for method, path in aliases:
        assert VIEWS[method, path] is VIEWS[method, path.removeprefix("api/")]


# One test, so that all routes share one world: the flush behind each would take most of the time.
def test_every_route_keeps_organizations_apart(world: World, subtests: pytest.Subtests) -> None:
    for method, route in ROUTES:
        with subtests.test(f"{method} {route}"):
            _CHECKS[type(CASES[method, route])](world, method, route, CASES[method, route])


def _check_thing(world: World, method: str, route: str, case: Thing) -> None:
    theirs = {name: world.make(thing) for name, thing in case.names.items()}
    with unchanged(world):
        for who in HOSTILE:
            _require_as_unknown(world, who, (method, route), case, theirs)
    for who, status in ((Who.MEMBER, case.member or case.owner), (Who.OWNER, case.owner)):
        mine = {name: world.make(thing) for name, thing in case.names.items()}
        answer = _ask(world, who, method, route, case, mine)
        assert answer.status == status, (who, answer.body)
        if case.is_secret and status == 200:
            assert any(marker.encode() in answer.body for marker in world.markers())


def _require_as_unknown(
    world: World, who: Who, asked: Route, case: Thing, theirs: Mapping[str, str]
) -> None:
    """Demand the same bytes for the owner's objects as for each that is not."""
    refused = _ask(world, who, *asked, case, theirs)
    assert refused.status == (404 if who is Who.STRANGER else case.unauthorized), refused.body
    _require_no_marker(world, refused, but=theirs.values())
    for name, thing in case.names.items():
        nothing = {**theirs, name: world.unknown(thing)}
        answer = _ask(world, who, *asked, case, nothing)
        assert _told(answer, nothing) == _told(refused, theirs)


def _check_listing(world: World, method: str, route: str, case: Listing) -> None:
    made = world.make(case.of) if case.of else None
    for who in HOSTILE:
        answer = world.ask(who, method, f"/{route}", query=case.query)
        assert answer.status == (200 if who is Who.STRANGER else 401), answer.body
        _require_no_marker(world, answer, but=())
        assert made is None or made.encode() not in answer.body
    for who in (Who.MEMBER, Who.OWNER):
        answer = world.ask(who, method, f"/{route}", query=case.query)
        assert answer.status == 200, answer.body
        assert made is None or made.encode() in answer.body


def _check_creation(world: World, method: str, route: str, case: Creation) -> None:
    names = {name: world.make(thing) for name, thing in case.names.items()}
    body = case.body(world) if callable(case.body) else case.body
    path = _path(route, names)
    expected = {
        Who.STRANGER: case.stranger or case.owner,
        Who.REVOKED: case.revoked,
        Who.NOBODY: 401,
    }
    with unchanged(world):
        for who in HOSTILE:
            answer = world.ask(who, method, path, body)
            assert answer.status == expected[who], answer.body
            assert world.ours.slug.encode() not in answer.body
    for who, status in ((Who.MEMBER, case.member or case.owner), (Who.OWNER, case.owner)):
        body = case.body(world) if callable(case.body) else case.body
        answer = world.ask(who, method, path, body)
        assert answer.status == status, (who, answer.body)


def _check_catalog(world: World, method: str, route: str, case: Catalog) -> None:
    answers = {who: world.ask(who, method, _path(route, case.fixed)) for who in Who}
    assert {who: answers[who].status for who in HOSTILE} == {
        Who.STRANGER: 200,
        Who.REVOKED: 401,
        Who.NOBODY: 401,
    }
    bodies = {answers[who].body for who in (Who.OWNER, Who.MEMBER, Who.STRANGER)}
    assert len(bodies) == 1


def _check_open(world: World, method: str, route: str, case: Open) -> None:
    names = {name: world.make(thing) for name, thing in case.names.items()} | dict(case.fixed)
    answers = {who: world.ask(who, method, _path(route, names)) for who in Who}
    assert {answer.status for answer in answers.values()} == {case.status}
    assert len({answer.body for answer in answers.values()}) == 1


_CHECKS: Mapping[type[Case], Any] = {
    Thing: _check_thing,
    Listing: _check_listing,
    Creation: _check_creation,
    Catalog: _check_catalog,
    Open: _check_open,
}


def _ask(
    world: World, who: Who, method: str, route: str, case: Thing, names: Mapping[str, str]
) -> Answer:
    path = _path(route, {**names, **case.fixed})
    return world.ask(who, method, path, case.body, query=case.query)


def _path(route: str, names: Mapping[str, str]) -> str:
    return "/" + _PARAMETER.sub(lambda found: names[found[1]], route)


def _told(answer: Answer, names: Mapping[str, str]) -> tuple[int, str, dict[str, str]]:
    """Return an answer without what differs between any two: ids of the request, and its own words."""
    text = answer.body.decode("utf-8", "replace")
    for name in names.values():
        text = text.replace(name, "...")
    return answer.status, text, answer.without(*_OWN_HEADERS)


def _require_no_marker(world: World, answer: Answer, *, but: Any) -> None:
    text = answer.body.decode("utf-8", "replace") + str(answer.headers)
    for name in but:  # what the caller has said itself
        text = text.replace(name, "...")
    assert [marker for marker in world.markers() if marker in text] == []
