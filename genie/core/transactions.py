"""The transaction words: say which one you mean instead of a bare ``atomic``.

``transaction`` owns one, ``transaction_required`` needs the caller's, ``savepoint`` may roll back
here, ``durable`` forbids one, ``run_after_commit`` waits for it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection
from django.db import transaction as django_transaction


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


@contextmanager
def transaction_required() -> Iterator[None]:
    """Run in the caller's transaction.

    Raises:
        WrongTransaction: None is open.
    """
    if not connection.in_atomic_block:
        raise WrongTransaction(
            "This changes several rows that must agree: call it in a transaction."
        )
    yield


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
