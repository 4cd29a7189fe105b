"""What a key may do, on every route of every contract: by its scopes, from its networks, with its models."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.utils import timezone

from genie.tenants import limits, services
from genie.tenants.scopes import Scope
from tests import in_process
from tests.in_process import Answer, Form
from tests.integration.tenancy.cases import CASES, Case, Creation, Listing, Open, Thing
from tests.integration.tenancy.world import Who, World

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_ELSEWHERE = "198.51.100.0/24"  # where nobody asks from
_ADMITTED = (200, 202, 503)  # 503: it waits for a worker, and nobody works here


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("jobs.queue.sender.send", lambda jobs: None)
    with in_process.site() as site:
        yield World(site)


def key(world: World, **fields: Any) -> str:
    """Return a key of the owner's organisation that may do everything but for these."""
    new = limits.NewKey(**({"name": "narrow", "scopes": tuple(Scope)} | fields))
    made = services.create_key(world.ours.id, new, by=None, now=timezone.now())
    return made.full_key


def ask(world: World, method: str, route: str, full_key: str) -> Answer:
    """Ask for nothing that there is: what a key may do is judged before anything is looked for."""
    case = CASES[method, route]
    said = {name: _named(world, thing) for name, thing in getattr(case, "names", {}).items()}
    said |= getattr(case, "fixed", {})
    path = "/" + _PARAMETER.sub(lambda found: said[found[1]], route)
    body = getattr(case, "body", None)
    return world.ask(
        Who.NOBODY,
        method,
        path,
        {} if callable(body) else body,
        headers={"authorization": f"Bearer {full_key}"},
        query=getattr(case, "query", None),
    )


def _named(world: World, thing: str) -> str:
    return world.ours.slug if thing == "organization" else world.unknown(thing)


def is_its_keys(case: Case) -> bool:
    """Tell whether a route answers the key that submitted, and all others as if there were nothing."""
    return isinstance(case, Thing) and case.unauthorized == 404


def needed(method: str, route: str) -> Scope:
    if route.startswith("api/orgs/"):
        return Scope.ADMIN if "/api-keys" in route else Scope.BUDGETS_WRITE
    if method == "GET":
        return Scope.JOBS_READ
    return Scope.WEBHOOKS_WRITE if route.startswith("v1/webhooks") else Scope.INFERENCE


def test_every_route_asks_for_its_scope(world: World, subtests: pytest.Subtests) -> None:
    without = {one: key(world, scopes=tuple(set(Scope) - {one})) for one in Scope}
    for (method, route), case in CASES.items():
        if isinstance(case, Thing | Listing | Creation) and not is_its_keys(case):
            with subtests.test(f"{method} {route}"):
                answer = ask(world, method, route, without[needed(method, route)])
                assert answer.status == 403, answer.body


def test_every_route_asks_from_where(world: World, subtests: pytest.Subtests) -> None:
    elsewhere = key(world, allowed_cidrs=(_ELSEWHERE,))
    for (method, route), case in CASES.items():
        if not isinstance(case, Open):
            with subtests.test(f"{method} {route}"):
                answer = ask(world, method, route, elsewhere)
                assert answer.status == (404 if is_its_keys(case) else 403), answer.body


def test_every_route_that_names_a_model_asks_which(world: World, subtests: pytest.Subtests) -> None:
    another = key(world, allowed_models=("another",))
    for (method, route), case in CASES.items():
        if isinstance(case, Creation) and _names_a_model(case) and case.owner in _ADMITTED:
            with subtests.test(f"{method} {route}"):
                answer = ask(world, method, route, another)
                assert answer.status == 403, answer.body


def _names_a_model(case: Creation) -> bool:
    if isinstance(case.body, Form):
        return "model" in case.body.fields
    return isinstance(case.body, Mapping) and ("model" in case.body or "requests" in case.body)
