"""One system for all acceptance tests; each test gets an organisation of its own."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance import receivers
from tests.acceptance import system as systems
from tests.acceptance.callers import Caller
from tests.acceptance.receivers import Receiver
from tests.acceptance.system import System

_LAST = ("test_chaos", "test_outages")  # they stop the servers, when everything else is done
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run faults and outages after the other acceptance tests, in the places that these have."""
    here = [i for i, item in enumerate(items) if "tests/acceptance/" in item.nodeid]
    ordered = sorted((items[i] for i in here), key=_place)
    for place, item in zip(here, ordered, strict=True):
        items[place] = item


def _place(item: pytest.Item) -> int:
    return next((n for n, name in enumerate(_LAST, start=1) if name in item.nodeid), 0)


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run the system once for all acceptance tests."""
    with systems.running(tmp_path_factory.mktemp("acceptance")) as running:
        yield running


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    """Run a webhook receiver that records what it gets."""
    with receivers.serve() as serving:
        yield serving


@pytest.fixture
def new_caller(system: System) -> Iterator[Callable[..., Caller]]:
    """Make callers, each of a fresh organisation unless one is named; options go to create_key."""
    made: list[Caller] = []

    def make(*options: str, slug: str | None = None) -> Caller:
        if slug is None:
            slug = f"org-{next(_numbers)}"
            system.manage("create_org", slug)
        key = system.manage("create_key", "--org", slug, *options)
        made.append(Caller(system=system, slug=slug, key=key["fullKey"], key_id=key["keyId"]))
        return made[-1]

    yield make
    for caller in made:
        caller.close()


@pytest.fixture
def caller(new_caller: Callable[..., Caller]) -> Caller:
    """Return a caller of a fresh organisation without caps."""
    return new_caller()


@pytest.fixture
def strict(caller: Caller) -> Caller:
    """Return the same caller at the web process with production's rules."""
    caller.base_url = caller.system.strict_url
    return caller
