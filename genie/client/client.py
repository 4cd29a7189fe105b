"""The client that blocks. ``aio`` has the one that awaits; both run the same operations."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from genie.client import config as configuration
from genie.client.config import Config
from genie.client.drivers import Blocking
from genie.client.exchanges import Exchange, shown_as
from genie.client.operations import asking, reference, submitting
from genie.client.operations import jobs as job_operations
from genie.client.retrying import Retrying
from genie.client.streams import ChatStream, JobStream
from genie.client.telling import ChatTelling, JobTelling
from genie.client.types import JobInfo, Messages, Status

P = ParamSpec("P")
T = TypeVar("T")


class Bound:
    """What runs operations: a client, or a part of one."""

    def __init__(self, config: Config, driver: Blocking) -> None:
        self._config = config
        self._driver = driver


def blocking(
    operation: Callable[Concatenate[Config, P], Exchange[T]],
) -> Callable[Concatenate[Bound, P], T]:
    """Return the method that runs an operation and returns what it returns."""

    def method(self: Bound, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._driver.run(operation(self._config, *args, **kwargs))

    shown_as(method, operation)
    return method


class Client(Bound):
    """Calls a Genie. Use it as a context manager, or close it; safe to use from several threads.

    Args:
        api_key: ``sk-genie-...``; ``GENIE_API_KEY`` if None.
        base_url: Where Genie is; ``GENIE_BASE_URL`` if None, else ``http://127.0.0.1:8000``.
        timeout_s: For how long calls wait for a result unless they say otherwise, in seconds.
        retrying: How often and how patiently calls are repeated.
        store: False asks for nothing of what is submitted to be kept beyond its delivery.

    Raises:
        NotConfigured: There is no key, or the address is none.
    """

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
        super().__init__(config, Blocking(config))
        self.jobs = Jobs(config, self._driver)

    chat = blocking(asking.chat)
    embed = blocking(asking.embed)
    rerank = blocking(asking.rerank)
    images = blocking(asking.images)
    speech = blocking(asking.speech)
    transcribe = blocking(asking.transcribe)
    models = blocking(reference.models)
    usage = blocking(reference.usage)
    budgets = blocking(reference.budgets)
    download = blocking(reference.download)
    webhook_keys = blocking(reference.webhook_keys)
    _submit = blocking(submitting.submit)

    def chat_stream(
        self,
        messages: Messages,
        *,
        model: str = "lite",
        idempotency_key: str | None = None,
        resume: bool = True,
        **fields: Any,
    ) -> ChatStream:
        """Return the answer to a chat as it is made; see ``chat`` for the arguments.

        A stream that is cut is read on where it was, also from another process of the server, as
        often as ``retrying`` allows. So the server keeps the job of a caller who is gone: leave the
        stream by its end, by ``close()`` or at the end of a ``with`` block, and the job is cancelled
        where it has not ended. With ``resume=False`` the server itself cancels it.
        """
        telling = ChatTelling(
            self._config,
            messages,
            model=model,
            idempotency_key=idempotency_key,
            resumes=resume,
            fields=fields,
        )
        return ChatStream(self._driver, telling, self._config)

    def submit(
        self,
        kind: str = "chat",
        *,
        webhook: Mapping[str, str] | str | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> "Job":
        """Submit a job of any modality, and return it as it was accepted.

        Args:
            kind: ``chat``, ``completion``, ``response``, ``embedding``, ``image``, ``video``,
                ``transition``, ``speech``, ``transcription`` or ``rerank``.
            webhook: Where its end is to be told: an address, or ``{"url", "secret"}``.
            idempotency_key: Makes the same submission, repeated within a day, the same job.
            fields: The body's fields under their names on the wire; ``messages`` may be a text, and
                ``file`` bytes, a path or an open file.

        Raises:
            ApiError: It was refused, with nothing held and nothing run.
        """
        info = self._submit(kind, webhook=webhook, idempotency_key=idempotency_key, **fields)
        return Job(self._config, self._driver, info)

    def job(self, job_id: str) -> "Job":
        """Return a job that is there already; see ``jobs.get``."""
        info = self._driver.run(job_operations.get(self._config, job_id))
        return Job(self._config, self._driver, info)

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Jobs(Bound):
    """The organization's jobs."""

    get = blocking(job_operations.get)
    list = blocking(job_operations.page)
    wait = blocking(job_operations.wait)
    cancel = blocking(job_operations.cancel)

    def events(self, job_id: str, *, after: int = 0) -> JobStream:
        """Return a job's events to its end, from the beginning or behind event number ``after``."""
        return JobStream(self._driver, JobTelling(self._config, job_id, after=after))


class Job(Bound):
    """A job and what is known of it; ``info`` is as it was last seen."""

    def __init__(self, config: Config, driver: Blocking, info: JobInfo) -> None:
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

    def refresh(self) -> JobInfo:
        """Look again, and return it."""
        self.info = self._driver.run(job_operations.get(self._config, self.id))
        return self.info

    def wait(self, timeout_s: float | None = None) -> JobInfo:
        """Return it once it has completed; see ``jobs.wait``."""
        exchange = job_operations.wait(self._config, self.id, timeout_s=timeout_s)
        self.info = self._driver.run(exchange)
        return self.info

    def cancel(self) -> JobInfo:
        """Cancel it and return it; see ``jobs.cancel``."""
        self.info = self._driver.run(job_operations.cancel(self._config, self.id))
        return self.info

    def events(self, *, after: int = 0) -> JobStream:
        """Return its events; see ``jobs.events``."""
        return JobStream(self._driver, JobTelling(self._config, self.id, after=after))
