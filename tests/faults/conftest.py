"""Faults that take long, or root, or a machine of their own: `make faults`; one system for most of them.

What cannot be tried on this machine is skipped with its reason, which is "not run" and not "holds".
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping

import pytest

from genie.standalone.servers import Servers
from genie.standalone.topology import WorkerEntry
from tests.acceptance import system as systems
from tests.acceptance.callers import Caller
from tests.acceptance.system import System
from tests.chaos import proxy
from tests.chaos.proxy import Link, Proxy

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


@dataclasses.dataclass(frozen=True, slots=True)
class Proxied:
    """A system that reaches its Redis through a proxy."""

    system: System
    between: Proxy
    links: list[Link]

    def lead(self, port: int) -> None:
        """Lead whoever asks for Redis to another server."""
        for link in self.links:
            self.between.lead(link, port)

    def slow(self, delay_s: float, *, loss: float = 0.0) -> None:
        """Hold up what passes."""
        for link in self.links:
            self.between.slow(link, delay_s, loss=loss)


@pytest.fixture
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Run a system that reaches its Redis through a proxy."""
    links: list[Link] = []
    with proxy.running() as between:

        def reached(own: Servers, _kind: str) -> Mapping[str, str]:
            link = between.open(own.redis.port)
            links.append(link)
            return {"REDIS_URL": own.redis_url.replace(f":{own.redis.port}/", f":{link.port}/")}

        with systems.running(
            tmp_path_factory.mktemp("proxied"),
            workers=WORKERS,
            models=MODELS,
            strict=False,
            reached=reached,
        ) as system:
            yield Proxied(system, between, links)


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
