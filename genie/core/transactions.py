"""The transaction words: say which one you mean instead of a bare ``atomic``.

``transaction`` owns one, ``transaction_required`` needs the caller's, ``savepoint`` may roll back
here, ``durable`` forbids one, ``run_after_commit`` waits for it. In a ``pipelined`` part of one,
statements share their way to the server; ``check_when_answered`` and ``Later`` put off what one has
to say.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

from django.db import connection
from django.db import transaction as django_transaction

T = TypeVar("T")


class _Thread(threading.local):
    """What a thread has sent."""

    commits = 0


_thread = _Thread()


def commits() -> int:
    """Return how many commits this thread has sent so far, whatever became of them.

    As long as it has not grown, nothing that was done in ``transaction`` since can have remained.
    """
    return _thread.commits


class WrongTransaction(RuntimeError):
    """Code ran inside or outside a transaction although it says that it must not."""


@contextmanager
def transaction() -> Iterator[None]:
    """Open a transaction that commits when the block ends; never nested in another.

    Raises:
        RuntimeError: A transaction is already open.
    """
    with django_transaction.atomic(durable=True):
        yield
        _thread.commits += 1  # before it is sent: its answer may be lost


class transaction_required:  # noqa: N801 - a word like the others, and entered ten times an admission
    """Run in the caller's transaction.

    Raises:
        WrongTransaction: None is open.
    """

    def __enter__(self) -> None:
        if not connection.in_atomic_block:
            raise WrongTransaction(
                "This changes several rows that must agree: call it in a transaction."
            )

    def __exit__(self, *_: object) -> None:
        """Leave the transaction to whoever opened it."""


@contextmanager
def savepoint() -> Iterator[None]:
    """Run in the caller's transaction so that this block alone can roll back."""
    with transaction_required(), django_transaction.atomic():
        yield


@contextmanager
def durable() -> Iterator[None]:
    """Run with no transaction open: the block does I/O that a transaction must not wait for.

    Raises:
        WrongTransaction: One is open.
    """
    if connection.in_atomic_block:
        raise WrongTransaction("This does I/O: call it after the transaction has committed.")
    yield


def run_after_commit(effect: Callable[[], object]) -> None:
    """Run ``effect`` once the caller's transaction has committed, or now if none is open.

    An effect that raises is logged and never undoes or hides what was committed.
    """
    django_transaction.on_commit(effect, robust=True)


# What is still to be looked at of the statements of the pipeline that is open, if one is.
_checks: ContextVar[list[Callable[[], None]] | None] = ContextVar("checks", default=None)


@contextmanager
def pipelined() -> Iterator[None]:
    """Send the block's statements without waiting for each answer; all are there at its end.

    A statement whose answer decides on a later one is fetched in the block as usual, which waits
    for it alone. What only confirms is left to ``check_when_answered``. Inside a transaction the
    begin travels with the first statement. An error of a statement may be raised later than it was
    sent, at the latest at the block's end, and always before the commit.

    Raises:
        WrongTransaction: No transaction is open, or a pipeline is.
    """
    if not connection.in_atomic_block or _checks.get() is not None:
        raise WrongTransaction("Statements are pipelined once, within a transaction.")
    checks: list[Callable[[], None]] = []
    token = _checks.set(checks)
    try:
        connection.ensure_connection()
        with connection.wrap_database_errors, connection.connection.pipeline():
            yield
        for check in checks:
            check()
    finally:
        _checks.reset(token)


def check_when_answered(check: Callable[[], None]) -> None:
    """Run ``check`` once the statements sent before it have been answered, or now outside a pipeline.

    What it raises fails the transaction, as if it had been found at once.
    """
    checks = _checks.get()
    if checks is None:
        check()
    else:
        checks.append(check)


class Later(Generic[T]):
    """What a statement answers, for those who need it only when the pipeline has ended.

    ``read`` is called once the statements sent before have been answered, or now outside a pipeline.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._values: list[T] = []
        check_when_answered(lambda: self._values.append(read()))

    @property
    def value(self) -> T:
        """The answer.

        Raises:
            WrongTransaction: The pipeline has not ended.
        """
        if not self._values:
            raise WrongTransaction("This answer is there when the pipeline has ended.")
        return self._values[0]
