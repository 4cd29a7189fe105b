"""A scripted server over a real socket, and each client of it."""

from collections.abc import Iterator

import pytest

from tests.unit.client import both
from tests.unit.client.both import Both
from tests.unit.inference.upstream_server import UpstreamServer, upstream_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[UpstreamServer]:
    """Run a server that answers what the test scripts."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with upstream_server() as running:
        yield running


@pytest.fixture(params=sorted(both.KINDS))
def genie(request: pytest.FixtureRequest, server: UpstreamServer) -> Iterator[Both]:
    """Return a client of the server: the test runs once with each kind."""
    with both.KINDS[request.param](server) as client:
        yield client
