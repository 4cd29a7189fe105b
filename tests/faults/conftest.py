"""Faults that take long, or root, or a machine of their own: `make faults`; one system for most of them.

What cannot be tried on this machine is skipped with its reason, which is "not run" and not "holds".
"""

import itertools
from collections.abc import Callable, Iterator

import pytest

from genie.standalone.topology import WorkerEntry
from tests.acceptance import system as systems
from tests.acceptance.callers import Caller
from tests.acceptance.system import System

MODELS = ("echo", "echo-slow", "echo-embedding", "echo-image", "echo-killed", "echo-eats-memory")
WORKERS = tuple(
    WorkerEntry(name=name, queues=("chat", "embedding", "image")) for name in ("a", "b")
)
_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run the system once for the rows that leave it as it was."""
    with systems.running(
        tmp_path_factory.mktemp("faults"), workers=WORKERS, models=MODELS, strict=False
    ) as running:
        yield running


@pytest.fixture
def new_caller() -> Iterator[Callable[[System], Caller]]:
    """Make callers, each of a fresh organisation of the system that is named."""
    made: list[Caller] = []

    def make(system: System) -> Caller:
        slug = f"row-{next(_numbers)}"
        system.manage("create_org", slug)
        key = system.manage("create_key", "--org", slug)
        made.append(Caller(system=system, slug=slug, key=key["fullKey"], key_id=key["keyId"]))
        return made[-1]

    yield make
    for caller in made:
        caller.close()


@pytest.fixture
def caller(system: System, new_caller: Callable[[System], Caller]) -> Caller:
    """Return a caller of a fresh organisation."""
    return new_caller(system)
