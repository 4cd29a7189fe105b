"""Runs exchanges over HTTP: one driver blocks, the other awaits. The only module that opens connections."""

import asyncio
import contextlib
import functools
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, TypeVar

import httpx2

from genie.client import exchanges
from genie.client.config import Config
from genie.client.errors import NoAnswer, NotConfigured
from genie.client.exchanges import (
    INTERRUPTIONS,
    Answer,
    Call,
    Event,
    Exchange,
    Pause,
    Running,
    Step,
)

MAX_EVENT_BYTES = 64 << 20  # a job's last event has its result, pictures in base64 included
_HEADERS = {"User-Agent": "genie-client/1"}
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)

T = TypeVar("T")


class Blocking:
    """Runs exchanges in the calling thread. Safe to use from several threads."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._http = httpx2.Client(headers=_HEADERS, verify=_tls())
        self._closed = threading.Event()

    def close(self) -> None:
        """Close the connections; pauses end."""
        self._closed.set()
        self._http.close()

    def run(self, exchange: Exchange[T]) -> T:
        """Run an exchange to its end and return what it returns."""
        running = Running(exchange)
        while (step := running.step) is not None:
            try:
                answer = self._done(step)
            except (NoAnswer, *INTERRUPTIONS) as error:
                running.failed(error)
            else:
                running.told(answer)
        return running.result

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self._closed.wait(seconds)

    @contextlib.contextmanager
    def events(self, call: Call) -> Iterator[tuple[Mapping[str, str], Iterator[Event]]]:
        """Send a call that is answered with events; give the headers and the events.

        Raises:
            ApiError: It was refused.
            NoAnswer: It failed, or was cut while it was read.
        """
        with _translated(), self._http.stream(**_request(self._config, call)) as response:
            if response.status_code >= 400:
                response.read()
                raise exchanges.refused(_answer(response))
            source = httpx2.EventSource(response, max_event_size=MAX_EVENT_BYTES)
            yield dict(response.headers), (Event(one.id, one.event, one.data) for one in source)

    def _done(self, step: Step) -> Answer | None:
        if isinstance(step, Pause):
            self.pause(step.seconds)
            return None
        with _translated():
            return _answer(self._http.request(**_request(self._config, step)))


class Awaiting:
    """Runs exchanges on the running event loop."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._http = httpx2.AsyncClient(headers=_HEADERS, verify=_tls())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def run(self, exchange: Exchange[T]) -> T:
        """Run an exchange to its end and return what it returns."""
        running = Running(exchange)
        while (step := running.step) is not None:
            try:
                answer = await self._done(step)
            except (NoAnswer, *INTERRUPTIONS) as error:
                running.failed(error)
            else:
                running.told(answer)
        return running.result

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    @contextlib.asynccontextmanager
    async def events(
        self, call: Call
    ) -> AsyncIterator[tuple[Mapping[str, str], AsyncIterator[Event]]]:
        """Send a call that is answered with events; see ``Blocking.events``."""
        with _translated():
            async with self._http.stream(**_request(self._config, call)) as response:
                if response.status_code >= 400:
                    await response.aread()
                    raise exchanges.refused(_answer(response))
                source = httpx2.EventSource(response, max_event_size=MAX_EVENT_BYTES)
                yield (
                    dict(response.headers),
                    (Event(one.id, one.event, one.data) async for one in source),
                )

    async def _done(self, step: Step) -> Answer | None:
        if isinstance(step, Pause):
            await self.pause(step.seconds)
            return None
        with _translated():
            return _answer(await self._http.request(**_request(self._config, step)))


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return the machine's trust, read once: it takes longer than a call on the same machine."""
    return httpx2.create_ssl_context()


def _request(config: Config, call: Call) -> dict[str, Any]:
    """Return a call as the arguments of the library."""
    key = {} if call.is_public else {"Authorization": f"Bearer {config.api_key}"}
    request: dict[str, Any] = {
        "method": call.method,
        "url": call.path if call.is_public else config.base_url + call.path,
        "headers": {**key, **call.headers},
        "timeout": httpx2.Timeout(
            connect=config.connect_s,
            read=config.read_s + call.wait_s,
            write=config.read_s,
            pool=config.connect_s,
        ),
        # A bucket's file is somewhere else; the API itself never redirects, and the key must not follow.
        "follow_redirects": call.is_public,
    }
    if call.query:
        request["params"] = dict(call.query)
    if call.upload is not None:
        request["data"] = dict(call.body or {})
        request["files"] = {"file": (call.upload.name, call.upload.content)}
    elif call.body is not None:
        request["json"] = dict(call.body)
    return request


def _answer(response: httpx2.Response) -> Answer:
    return Answer(
        status=response.status_code, headers=dict(response.headers), content=response.content
    )


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn the library's failures into ours; theirs may name the whole request."""
    try:
        yield
    except httpx2.InvalidURL as error:
        raise NotConfigured(f"That is no address: {error}.") from error
    except httpx2.RequestError as error:
        kind = type(error).__name__
        told = f"{kind}: {error}" if str(error) else kind
        what = "could not be reached" if isinstance(error, _UNSENT) else "did not answer"
        raise NoAnswer(
            f"The server {what} ({told}). Is it running, and GENIE_BASE_URL right?",
            sent=not isinstance(error, _UNSENT),
        ) from error
