"""Payers, requests and clocks for the tests of the ledger; rows are made through services."""

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from django.db import connection

from budgets import capping, services
from budgets.gate import Mode
from budgets.models import Window
from budgets.types import Held, HoldRequest, Payer, Refused, Settlement
from budgets.windows import Layer, WindowKind
from genie.core.ids import new_id
from genie.core.transactions import transaction

T = TypeVar("T")

NOW = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)  # when a cap was written: recorded, never compared


def new_payer(*, organization_id: uuid.UUID | None = None) -> Payer:
    """Return a payer with all four layers."""
    return Payer(
        organization_id=organization_id or new_id(),
        application_id=new_id(),
        member_id=new_id(),
        user_id=new_id(),
    )


def request(payer: Payer, amount: int) -> HoldRequest:
    """Return the request of a new job."""
    return HoldRequest(reference=new_id(), payer=payer, amount_microcredits=amount)


def hold(*requests: HoldRequest, mode: Mode = Mode.ON) -> list[Held | Refused]:
    """Hold a batch in a transaction of its own."""
    with transaction():
        return services.hold_many(requests, mode=mode)


def settle(reference: uuid.UUID, actual: int) -> None:
    """Settle one hold in a transaction of its own."""
    with transaction():
        services.settle_many([Settlement(reference=reference, actual_microcredits=actual)])


def admitted(payer: Payer, amount: int) -> uuid.UUID:
    """Hold ``amount`` and return its reference."""
    (answer,) = hold(request(payer, amount))
    assert isinstance(answer, Held)
    return answer.reference


def cap(layer: Layer, subject_id: uuid.UUID | None, window: WindowKind, amount: int | None) -> None:
    """Write a cap."""
    assert subject_id is not None
    capping.set_cap(layer, subject_id, window, amount, now=NOW)


def counters(payer: Payer) -> set[tuple[int, int]]:
    """Return the different (spent, held) among all the payer's windows, of every period."""
    ids = [subject_id for _, subject_id in payer.subjects()]
    return set(Window.objects.filter(subject_id__in=ids).values_list("spent", "held"))


def set_clock(instant: dt.datetime | None) -> None:
    """Move this session's genie_now() to ``instant``; it runs on from there. None: real time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('genie.clock_offset', "
            "coalesce((%s::timestamptz - statement_timestamp())::text, ''), false)",
            [instant],
        )


class Racers:
    """Threads that run works at once, again and again, each on a connection of its own.

    Args:
        count: The most works of one run.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = ThreadPoolExecutor(count, initializer=_leave_the_pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.run([_close] * self._count)
        self._pool.shutdown()

    def run(self, works: Sequence[Callable[[], T]], *, clock: dt.datetime | None = None) -> list[T]:
        """Let the works loose at the same moment; return their answers, or raise what one raises."""
        barrier = threading.Barrier(len(works))

        def run(work: Callable[[], T]) -> T:
            set_clock(clock)
            barrier.wait(timeout=30)
            return work()

        return [one.result() for one in [self._pool.submit(run, work) for work in works]]


def together(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run the works at once, each in a thread with a connection of its own; raise what one raises."""
    with Racers(len(works)) as racers:
        return racers.run(works)


def deadlocks() -> int:
    """Return how many deadlocks this database has seen."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def _close() -> None:
    connection.close()  # this thread's; `connection.close` itself would be that of whoever names it


def _leave_the_pool() -> None:
    """Give this thread a connection of its own: of the pool of a web process, a dozen would race."""
    options = {**connection.settings_dict["OPTIONS"], "pool": False}
    connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
