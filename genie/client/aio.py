"""The client that awaits: the same operations and the same words as ``client``, on an event loop."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from genie.client import config as configuration
from genie.client.config import Config
from genie.client.drivers import Awaiting
from genie.client.errors import ApiError, GenieError, NoAnswer
from genie.client.exchanges import Exchange, shown_as
from genie.client.operations import asking, reference, submitting
from genie.client.operations import jobs as job_operations
from genie.client.retrying import Retrying
from genie.client.telling import ChatTelling, JobTelling, Telling
from genie.client.types import ChatMessage, Delta, JobEvent, JobInfo, Messages, Status, Usage

P = ParamSpec("P")
T = TypeVar("T")


class AsyncBound:
    """What runs operations: a client, or a part of one."""

    def __init__(self, config: Config, driver: Awaiting) -> None:
        self._config = config
        self._driver = driver


def awaiting(
    operation: Callable[Concatenate[Config, P], Exchange[T]],
) -> Callable[Concatenate[AsyncBound, P], Coroutine[Any, Any, T]]:
    """Return the coroutine method that runs an operation and returns what it returns."""

    async def method(self: AsyncBound, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._driver.run(operation(self._config, *args, **kwargs))

    shown_as(method, operation)
    return method


class AsyncClient(AsyncBound):
    """Calls a Genie from an event loop; ``async with`` closes it. See ``Client`` for the arguments."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout_s: float = 120.0,
        retrying: Retrying | None = None,
        store: bool = True,
    ) -> None:
        config = configuration.resolve(
            api_key=api_key,
            base_url=base_url,
            timeout_s=timeout_s,
            retrying=retrying,
            store=store,
        )
        super().__init__(config, Awaiting(config))
        self.jobs = AsyncJobs(config, self._driver)

    chat = awaiting(asking.chat)
    embed = awaiting(asking.embed)
    images = awaiting(asking.images)
    speech = awaiting(asking.speech)
    transcribe = awaiting(asking.transcribe)
    models = awaiting(reference.models)
    usage = awaiting(reference.usage)
    budgets = awaiting(reference.budgets)
    download = awaiting(reference.download)
    webhook_keys = awaiting(reference.webhook_keys)
    _submit = awaiting(submitting.submit)

    def chat_stream(
        self,
        messages: Messages,
        *,
        model: str = "lite",
        idempotency_key: str | None = None,
        resume: bool = True,
        **fields: Any,
    ) -> "AsyncChatStream":
        """Return the answer to a chat as it is made; see ``Client.chat_stream``.

        Use it with ``async with``: a loop that is left early otherwise keeps the job until the
        generator is collected.
        """
        telling = ChatTelling(
            self._config,
            messages,
            model=model,
            idempotency_key=idempotency_key,
            resumes=resume,
            fields=fields,
        )
        return AsyncChatStream(self._driver, telling, self._config)

    async def submit(
        self,
        kind: str = "chat",
        *,
        webhook: Mapping[str, str] | str | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> "AsyncJob":
        """Submit a job of any modality, and return it as it was accepted; see ``Client.submit``."""
        info = await self._submit(kind, webhook=webhook, idempotency_key=idempotency_key, **fields)
        return AsyncJob(self._config, self._driver, info)

    async def job(self, job_id: str) -> "AsyncJob":
        """Return a job that is there already; see ``jobs.get``."""
        info = await self._driver.run(job_operations.get(self._config, job_id))
        return AsyncJob(self._config, self._driver, info)

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class AsyncJobs(AsyncBound):
    """The organization's jobs."""

    get = awaiting(job_operations.get)
    list = awaiting(job_operations.page)
    wait = awaiting(job_operations.wait)
    cancel = awaiting(job_operations.cancel)

    def events(self, job_id: str, *, after: int = 0) -> "AsyncJobStream":
        """Return a job's events to its end, from the beginning or behind event number ``after``."""
        return AsyncJobStream(self._driver, JobTelling(self._config, job_id, after=after))


class AsyncJob(AsyncBound):
    """A job and what is known of it; ``info`` is as it was last seen."""

    def __init__(self, config: Config, driver: Awaiting, info: JobInfo) -> None:
        super().__init__(config, driver)
        self.info = info

    @property
    def id(self) -> str:
        """Return its id."""
        return self.info.id

    @property
    def status(self) -> Status:
        """Return its state as it was last seen."""
        return self.info.status

    async def refresh(self) -> JobInfo:
        """Look again, and return it."""
        self.info = await self._driver.run(job_operations.get(self._config, self.id))
        return self.info

    async def wait(self, timeout_s: float | None = None) -> JobInfo:
        """Return it once it has completed; see ``jobs.wait``."""
        exchange = job_operations.wait(self._config, self.id, timeout_s=timeout_s)
        self.info = await self._driver.run(exchange)
        return self.info

    async def cancel(self) -> JobInfo:
        """Cancel it and return it; see ``jobs.cancel``."""
        self.info = await self._driver.run(job_operations.cancel(self._config, self.id))
        return self.info

    def events(self, *, after: int = 0) -> "AsyncJobStream":
        """Return its events; see ``jobs.events``."""
        return AsyncJobStream(self._driver, JobTelling(self._config, self.id, after=after))


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


class AsyncChatStream(AsyncStream[Delta]):
    """The deltas of a chat. Once read, it knows the whole: ``text``, ``finish_reason``, ``usage``."""

    _telling: ChatTelling

    def __init__(self, driver: Awaiting, telling: ChatTelling, config: Config) -> None:
        super().__init__(driver, telling)
        self._config = config

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

    async def _leave(self) -> None:
        """Cancel a job that its only reader leaves; the server does where it was told nothing else."""
        telling = self._telling
        if telling.ended or not (telling.resumes and telling.job_id):
            return
        with contextlib.suppress(GenieError):  # it has ended, or nobody answers: nothing to be done
            await self._driver.run(job_operations.cancel(self._config.once(), telling.job_id))
