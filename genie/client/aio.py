"""The client that awaits: the same operations and the same words as ``client``, on an event loop."""

from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from genie.client import config as configuration
from genie.client.config import Config
from genie.client.drivers import Awaiting
from genie.client.exchanges import Exchange, shown_as
from genie.client.operations import asking, reference, submitting
from genie.client.operations import jobs as job_operations
from genie.client.retrying import Retrying
from genie.client.streams import AsyncChatStream, AsyncJobStream
from genie.client.telling import ChatTelling, JobTelling
from genie.client.types import JobInfo, Messages, Status

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
    rerank = awaiting(asking.rerank)
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
    ) -> AsyncChatStream:
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

    def events(self, job_id: str, *, after: int = 0) -> AsyncJobStream:
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

    def events(self, *, after: int = 0) -> AsyncJobStream:
        """Return its events; see ``jobs.events``."""
        return AsyncJobStream(self._driver, JobTelling(self._config, self.id, after=after))
