"""A counter is the sum of its entries, however often and by whomever a job is settled.

litellm issues 35569, 40050, 28247, 30460: counters that a retry, a second path or a restart inflates
beyond what was spent, until a paying caller is refused.
"""

import itertools
import threading
import uuid
from collections.abc import Callable

import psycopg
import pytest
from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

from budgets.models import Entry, Hold, Window
from genie.core import errors, transactions
from jobs import ledger_check, services, sweep
from jobs.claims import Claimed
from jobs.models import Job
from jobs.moves import Ended
from jobs.states import JobState
from tests import builders
from tests.builders import Account
from tests.integration.budgets import builders as money
from tests.integration.jobs import invariants

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("redis_server", "tickets", "webhook_tickets"),
]

ESTIMATE = 1000
COST = 7


def counters(account: Account) -> set[tuple[int, int]]:
    """Return the different (spent, held) of all the account's windows."""
    ids = [subject_id for _, subject_id in account.payer.subjects()]
    return set(Window.objects.filter(subject_id__in=ids).values_list("spent", "held"))


def assert_consistent() -> None:
    assert ledger_check.verify().drift == ()
    assert invariants.broken() == []


def cut_off_what_is_blocked() -> None:
    """End the connection that waits for a lock, as a failover or an operator would."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted LIMIT 1")
        assert cursor.fetchone() == (True,)


class TestRetried:
    def test_after_a_connection_that_was_lost_in_the_middle(self) -> None:
        account = builders.make_account()
        claimed = builders.make_running_job(account)
        lost: list[BaseException | None] = []

        def settle() -> None:
            try:
                builders.finish(claimed)
            except OperationalError as error:
                lost.append(error.__cause__)
            finally:
                connection.close()

        thread = threading.Thread(target=settle)
        with transactions.transaction():
            list(Window.objects.select_for_update())
            thread.start()
            builders.wait_until_blocked()
            cut_off_what_is_blocked()
            thread.join(10)

        assert [isinstance(one, psycopg.OperationalError) for one in lost] == [True]
        assert Job.objects.get().state == JobState.RUNNING
        assert counters(account) == {(0, ESTIMATE)}

        first, again = builders.finish(claimed), builders.finish(claimed)

        assert ([one.job_id for one in first], again) == ([claimed.job_id], [])
        assert counters(account) == {(COST, 0)}
        assert Entry.objects.filter(kind="settle").count() == 1
        assert_consistent()

    def test_after_a_lock_that_was_not_given_in_time(self) -> None:
        account = builders.make_account()
        claimed = builders.make_running_job(account)
        lost: list[BaseException | None] = []

        def settle() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '50ms'")
            try:
                builders.finish(claimed)
            except OperationalError as error:
                lost.append(error.__cause__)
            finally:
                connection.close()

        thread = threading.Thread(target=settle)
        with transactions.transaction():
            list(Window.objects.select_for_update())
            thread.start()
            thread.join(10)

        # By its own name, since that is what it is tried again for.
        assert [type(one) for one in lost] == [LockNotAvailable]
        assert Job.objects.get().state == JobState.RUNNING
        builders.finish(claimed)
        assert counters(account) == {(COST, 0)}
        assert_consistent()

    def test_after_an_answer_that_was_lost_behind_the_commit(self) -> None:
        account = builders.make_account()
        claimed = builders.make_running_job(account)
        builders.finish(claimed)

        retried = [builders.finish(claimed) for _ in range(3)]

        assert retried == [[]] * 3
        assert counters(account) == {(COST, 0)}
        assert_consistent()


class TestDoubled:
    """Twelve lapsed jobs, ended at the same moment by everybody who may end a job."""

    def test_by_the_worker_the_sweep_and_the_caller_at_once(self) -> None:
        account = builders.make_account()
        for _ in range(12):
            builders.make_job(account, max_attempts=1)
        claimed = builders.claim(lease_s=0.0)
        assert len(claimed) == 12
        before = money.deadlocks()

        works: list[Callable[[], int]] = [
            lambda: len(services.finish_many([builders.ending(one) for one in claimed])),
            lambda: len(services.finish_many([builders.ending(one) for one in claimed[::-1]])),
            lambda: sum(len(builders.finish(one, JobState.FAILED)) for one in claimed),
            lambda: sum(len(_cancel(one)) for one in claimed),
            _swept,
            _swept,
        ]
        ended = money.together(works)

        assert sum(ended) == 12
        costs = list(Job.objects.values_list("cost_microcredits", flat=True))
        assert counters(account) == {(sum(filter(None, costs)), 0)}
        assert set(costs) <= {0, COST}
        assert not Hold.objects.filter(closed_at=None).exists()
        assert Entry.objects.filter(kind="settle").count() == 12
        assert money.deadlocks() == before
        assert_consistent()

    def test_by_a_ghost_that_wakes_after_the_second_attempt(self) -> None:
        account = builders.make_account()
        builders.make_job(account)
        (ghost,) = builders.claim(lease_s=0.0)
        assert sweep.run_once().requeued == 1
        (second,) = builders.claim(worker="worker-b")

        told = [builders.finish(one, cost_microcredits=cost) for one, cost in _late(ghost, second)]

        assert [[one.cost_microcredits for one in ended] for ended in told] == [[], [30], [], []]
        assert counters(account) == {(30, 0)}
        assert_consistent()


class TestSeeded:
    def test_counters_come_from_the_entries_alone(self) -> None:
        # Nothing is ever counted again from another source: a restart reads the rows as they are.
        account = builders.make_account()
        for _ in range(3):
            builders.make_ended_job(account)
        connection.close()

        builders.make_ended_job(account)

        spent = sum(Entry.objects.filter(kind="settle").values_list("amount", flat=True))
        assert counters(account) == {(spent, 0)}
        assert spent == 4 * COST


class TestCancelledAndCompleted:
    """Each of 40 jobs is cancelled and completed at the same moment; one of the two ends it."""

    def test_ends_once_and_is_charged_as_it_ended(self) -> None:
        account = builders.make_account()
        running = [builders.make_running_job(account) for _ in range(20)]
        queued = [builders.make_job(account).id for _ in range(20)]

        def cancel_all() -> list[uuid.UUID]:
            return [
                one
                for one in itertools.chain(*zip(queued, (c.job_id for c in running), strict=True))
                if _cancel_by_id(one)
            ]

        def run_all() -> list[uuid.UUID]:
            mine = [one for one in running if builders.finish(one)]
            while found := builders.claim(limit=4):
                mine += [one for one in found if builders.finish(one)]
            return [one.job_id for one in mine]

        cancelled, completed = money.together([cancel_all, run_all])

        assert sorted(cancelled + completed) == sorted(queued + [one.job_id for one in running])
        assert counters(account) == {(COST * len(completed), 0)}
        assert_consistent()


def _late(ghost: Claimed, second: Claimed) -> list[tuple[Claimed, int]]:
    """Return who says that it is done, in order, and at what cost."""
    return [(ghost, 900), (second, 30), (ghost, 900), (second, 900)]


def _swept() -> int:
    swept = sweep.run_once()
    return swept.worker_lost + swept.cancelled


def _cancel(claimed: Claimed) -> list[Ended]:
    try:
        answer = services.cancel(claimed.job_id, organization_id=None, reason="Enough.")
    except errors.JobTerminal:
        return []
    return [] if answer.ended is None else [answer.ended]


def _cancel_by_id(job_id: uuid.UUID) -> bool:
    """Cancel; return whether that ended the job. One that runs goes on until its worker hears."""
    try:
        return services.cancel(job_id, organization_id=None, reason="No.").ended is not None
    except errors.JobTerminal:
        return False
