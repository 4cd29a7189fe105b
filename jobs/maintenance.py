"""Slow housekeeping that beat asks for: what has outlived its use, and the ledger's proof."""

import datetime as dt
import logging

from django.conf import settings
from django.db import connection

from budgets import services as budgets
from jobs import ledger_check
from webhooks import services as webhooks

logger = logging.getLogger(__name__)

_BATCH = 5_000
# Decisions come one per request, so several batches go per pass: 3,000 requests a second are kept
# up with, for beat asks every ten minutes.
_BUDGET_BATCHES = 400


def expire() -> dict[str, int]:
    """Delete what is past its time.

    Idempotency keys, workers that left without a word, outcomes of tasks, notifications, and
    decisions of the budget gate.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM jobs_idempotencykey WHERE id IN (
                 SELECT id FROM jobs_idempotencykey WHERE created_at < genie_now() - %s * interval '1 second'
                 LIMIT %s)""",
            [settings.GENIE_IDEMPOTENCY_TTL_S, _BATCH],
        )
        keys = cursor.rowcount
        cursor.execute(
            "DELETE FROM jobs_worker WHERE heartbeat_at < genie_now() - interval '1 hour'"
        )
        workers = cursor.rowcount
        cursor.execute(
            "DELETE FROM django_celery_results_taskresult WHERE date_done < now() - %s * interval '1 second'",
            [settings.GENIE_RESULT_TTL_S],
        )
        results = cursor.rowcount
    notifications = webhooks.expire(older_than=dt.timedelta(days=settings.GENIE_NOTIFICATION_DAYS))
    return {
        "idempotency_keys": keys,
        "workers": workers,
        "task_results": results,
        "webhooks": notifications,
        "budget_events": _expire_budget_events(),
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


def _expire_budget_events() -> int:
    """Delete old decisions in short transactions, up to a bound that the next pass goes on from."""
    older_than = dt.timedelta(days=settings.GENIE_BUDGET_EVENT_DAYS)
    deleted = 0
    for _ in range(_BUDGET_BATCHES):
        batch = budgets.expire(older_than=older_than, limit=_BATCH)
        deleted += batch
        if batch < _BATCH:
            break
    return deleted
