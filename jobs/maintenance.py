"""Slow housekeeping that beat asks for: what has outlived its use, and the ledger's proof."""

import datetime as dt
import logging
from collections.abc import Callable

from django.conf import settings
from django.db import connection

from budgets import services as budgets
from jobs import attendance, batch_lines, erasing, files, ledger_check, retention
from webhooks import services as webhooks

logger = logging.getLogger(__name__)

_BATCH = 5_000  # rows of one short transaction
# Decisions and keys come one per request, so several batches go per pass: 3,000 requests a second
# are kept up with, for beat asks every ten minutes.
_BATCHES = 400


def expire() -> dict[str, int]:
    """Delete what is past its time.

    Idempotency keys, what expired jobs were asked and answered, workers that left without a word, outcomes of tasks, notifications, decisions
    of the budget gate, lines of batches that are over, and files that no completed job has.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_celery_results_taskresult WHERE date_done < now() - %s * interval '1 second'",
            [settings.GENIE_RESULT_TTL_S],
        )
        results = cursor.rowcount
        cursor.execute("DELETE FROM jobs_booking WHERE booked_at < genie_now() - interval '1 day'")
        bookings = cursor.rowcount
    notifications = webhooks.expire(older_than=dt.timedelta(days=settings.GENIE_NOTIFICATION_DAYS))
    retention.expire_by_policy(settings.GENIE_RETENTION_DAYS, limit=_BATCH)
    return {
        "idempotency_keys": _in_batches(_expire_keys),
        "expired_jobs": _in_batches(_erase_expired_jobs),
        "workers": attendance.forget_lost(),
        "task_results": results,
        "bookings": bookings,
        "webhooks": notifications,
        "files": _in_batches(files.remove_unneeded, batch=files.BATCH),
        "budget_events": _in_batches(_expire_budget_events),
        "batch_lines": _in_batches(lambda: batch_lines.remove_unneeded(limit=_BATCH)),
    }


def erase() -> dict[str, int]:
    """Remove what expired jobs were asked and answered, and their files: every minute, unlike the rest."""
    return {
        "expired_jobs": _in_batches(_erase_expired_jobs),
        "files": _in_batches(files.remove_unneeded, batch=files.BATCH),
    }


def verify_ledger() -> dict[str, int]:
    """Re-derive every balance from the entries and the jobs; drift is logged as an error."""
    report = ledger_check.verify()
    for drift in report.drift:
        logger.error("Ledger drift: %s", drift)
    return {
        "drift": len(report.drift),
        "open_holds": report.open_holds,
        "settlements": report.settlements,
    }


def _in_batches(expire_batch: Callable[[], int], *, batch: int | None = None) -> int:
    """Delete batch by batch, up to a bound that the next pass goes on from; return how many."""
    deleted = 0
    for _ in range(_BATCHES):
        found = expire_batch()
        deleted += found
        if found < (batch or _BATCH):
            break
    return deleted


def _erase_expired_jobs() -> int:
    return erasing.erase_expired(limit=_BATCH)


def _expire_keys() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM jobs_idempotencykey WHERE id IN (
                 SELECT id FROM jobs_idempotencykey
                 WHERE created_at < genie_now() - %s * interval '1 second'
                 ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED)""",
            [settings.GENIE_IDEMPOTENCY_TTL_S, _BATCH],
        )
        return int(cursor.rowcount)


def _expire_budget_events() -> int:
    older_than = dt.timedelta(days=settings.GENIE_BUDGET_EVENT_DAYS)
    return budgets.expire(older_than=older_than, limit=_BATCH)
