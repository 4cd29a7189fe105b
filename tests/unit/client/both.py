"""Both clients behind one face, so that each test holds for the one that blocks and the one that awaits."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from genie.client import AsyncClient, Client, Retrying
from tests.unit.inference.upstream_server import UpstreamServer

KEY = "sk-genie-acme-abcdefghijklmnopqrstuvwx"
QUICK = Retrying(first_s=0.001, most_s=0.002)


class Both:
    """A client of either kind; ``call`` and ``read`` wait for whatever it does."""

    def __init__(self, client: Any, wait: Callable[[Any], Any] | None) -> None:
        self.client = client
        self._wait = wait

    def call(self, operation: Callable[[Any], Any]) -> Any:
        """Return what an operation of the client, or of something that it gave, comes to."""
        if self._wait is None:
            return operation(self.client)
        wait = self._wait

        async def awaited() -> Any:
            found = operation(self.client)
            return await found if asyncio.iscoroutine(found) else found

        return wait(awaited())

    def read(self, stream: Any, *, most: int | None = None) -> list[Any]:
        """Return what a stream tells, or its first items, and leave it."""
        if self._wait is None:
            return self._read(stream, most)

        async def awaited() -> list[Any]:
            found: list[Any] = []
            async with stream:
                async for item in stream:
                    found.append(item)
                    if len(found) == most:
                        break
            return found

        return list(self._wait(awaited()))

    @staticmethod
    def _read(stream: Any, most: int | None) -> list[Any]:
        found = []
        with stream:
            for item in stream:
                found.append(item)
                if len(found) == most:
                    break
        return found


@contextlib.contextmanager
def blocking(server: UpstreamServer, **options: Any) -> Iterator[Both]:
    with Client(api_key=KEY, base_url=server.url, **{"retrying": QUICK, **options}) as client:
        yield Both(client, None)


@contextlib.contextmanager
def awaiting(server: UpstreamServer, **options: Any) -> Iterator[Both]:
    with asyncio.Runner() as runner:
        client = AsyncClient(api_key=KEY, base_url=server.url, **{"retrying": QUICK, **options})
        try:
            yield Both(client, runner.run)
        finally:
            runner.run(client.close())


KINDS = {"blocking": blocking, "awaiting": awaiting}
