"""Iterates over what a stream tells, across the connections that it takes: blocking and awaiting."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from genie.client.config import Config
from genie.client.drivers import Awaiting, Blocking
from genie.client.errors import ApiError, GenieError, NoAnswer
from genie.client.operations import jobs as job_operations
from genie.client.telling import ChatTelling, Telling
from genie.client.types import ChatMessage, Delta, JobEvent, Usage

T = TypeVar("T")


class SoFar:
    """What a stream of a chat has told so far; the whole, once it is read."""

    _telling: ChatTelling

    @property
    def text(self) -> str:
        """Return the text so far, of the first answer."""
        return self._telling.so_far.text

    @property
    def message(self) -> ChatMessage:
        """Return the first answer so far as a message, its tool calls put together."""
        return self._telling.so_far.message

    @property
    def model(self) -> str:
        """Return the model that serves; empty until the first event."""
        return self._telling.so_far.model

    @property
    def finish_reason(self) -> str | None:
        """Return why the first answer ended; None until it has."""
        return self._telling.so_far.finish_reason

    @property
    def usage(self) -> Usage | None:
        """Return the tokens; None until the end."""
        return self._telling.so_far.usage


class Stream(Generic[T]):
    """Iterates over what a stream tells, across the connections that this takes."""

    def __init__(self, driver: Blocking, telling: Telling[T]) -> None:
        self._driver = driver
        self._telling = telling
        self._items = self._read()

    @property
    def job_id(self) -> str:
        """Return the job's id; empty until the first event."""
        return self._telling.job_id

    def __iter__(self) -> Iterator[T]:
        return self._items

    def __next__(self) -> T:
        return next(self._items)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading."""
        self._items.close()

    def _read(self) -> Generator[T]:
        telling = self._telling
        try:
            while not telling.ended:
                try:
                    with self._driver.events(telling.call()) as (headers, events):
                        telling.opened(headers)
                        for event in events:
                            yield from telling.heard(event)
                            if telling.ended:
                                return
                    raise NoAnswer("The stream was cut before its end.")  # noqa: TRY301 - as if it had failed
                except (NoAnswer, ApiError) as error:
                    pause_s = telling.lost(error)
                self._driver.pause(pause_s)
        finally:
            self._leave()

    def _leave(self) -> None:
        """Do what is to be done when nobody reads any more."""


class JobStream(Stream[JobEvent]):
    """A job's events."""


class ChatStream(SoFar, Stream[Delta]):
    """The deltas of a chat."""

    _telling: ChatTelling

    def __init__(self, driver: Blocking, telling: ChatTelling, config: Config) -> None:
        super().__init__(driver, telling)
        self._config = config

    def _leave(self) -> None:
        """Cancel the job that its only reader leaves."""
        if job_id := self._telling.orphan:
            with contextlib.suppress(GenieError):  # it has ended, or nobody answers
                self._driver.run(job_operations.cancel(self._config.once(), job_id))


class AsyncStream(Generic[T]):
    """Iterates over what a stream tells, across the connections that this takes."""

    def __init__(self, driver: Awaiting, telling: Telling[T]) -> None:
        self._driver = driver
        self._telling = telling
        self._items = self._read()

    @property
    def job_id(self) -> str:
        """Return the job's id; empty until the first event."""
        return self._telling.job_id

    def __aiter__(self) -> AsyncIterator[T]:
        return self._items

    async def __anext__(self) -> T:
        return await anext(self._items)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop reading."""
        await self._items.aclose()

    async def _read(self) -> AsyncGenerator[T]:
        telling = self._telling
        try:
            while not telling.ended:
                try:
                    async with self._driver.events(telling.call()) as (headers, events):
                        telling.opened(headers)
                        async for event in events:
                            for item in telling.heard(event):
                                yield item
                            if telling.ended:
                                return
                    raise NoAnswer("The stream was cut before its end.")  # noqa: TRY301 - as if it had failed
                except (NoAnswer, ApiError) as error:
                    pause_s = telling.lost(error)
                await self._driver.pause(pause_s)
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """Do what is to be done when nobody reads any more."""


class AsyncJobStream(AsyncStream[JobEvent]):
    """A job's events."""


class AsyncChatStream(SoFar, AsyncStream[Delta]):
    """The deltas of a chat."""

    _telling: ChatTelling

    def __init__(self, driver: Awaiting, telling: ChatTelling, config: Config) -> None:
        super().__init__(driver, telling)
        self._config = config

    async def _leave(self) -> None:
        """Cancel the job that its only reader leaves."""
        if job_id := self._telling.orphan:
            with contextlib.suppress(GenieError):  # it has ended, or nobody answers
                await self._driver.run(job_operations.cancel(self._config.once(), job_id))
