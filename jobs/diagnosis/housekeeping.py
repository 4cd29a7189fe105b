"""Checks what mends and moves on: the sweep, beat, leases, the outbox, and the ledger."""

import datetime as dt
import json
from collections.abc import Iterator

from django.db import connection
from django.utils import timezone
from django_celery_results.models import TaskResult

from jobs import attendance, ledger_check
from jobs.diagnosis import findings
from jobs.diagnosis.findings import Finding
from webhooks import selectors as webhooks

_BEAT = dt.timedelta(minutes=3)  # it asks for jobs.erase every minute
_LEDGER = dt.timedelta(hours=2)  # it asks for jobs.verify_ledger every hour
_SWEEP_S = 90.0
_LEASE_S = 30.0  # past its end: the sweep should have taken the job back long ago
_OUTBOX_S = 300.0
_MAINTENANCE = "Look at the maintenance worker: is it there, and what does its log say?"


def sweep() -> Iterator[Finding]:
    """Look when the sweep last sent canaries, and for leases that it should have ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT extract(epoch FROM genie_now() - max(tried_at))::float8,
                 (SELECT count(*) FROM jobs_job WHERE state = 'running'
                  AND lease_expires_at < genie_now() - %s * interval '1 second')
               FROM jobs_canary""",
            [_LEASE_S],
        )
        seen_s, overdue = cursor.fetchone()
    if seen_s is None:
        yield findings.note("sweep", "No sweep has sent a canary yet.", _MAINTENANCE)
    elif seen_s > _SWEEP_S:
        yield findings.wrong(
            "sweep", f"No sweep has sent a canary for {seen_s:.0f} s: nothing that is lost is mended.",
            _MAINTENANCE,
        )  # fmt: skip
    else:
        yield findings.ok("sweep", f"The sweep was at work {seen_s:.0f} s ago.")
    if overdue:
        yield findings.wrong(
            "sweep", f"{overdue} running jobs have leases that lapsed over {_LEASE_S:.0f} s ago.",
            f"`manage.py sweep` mends them now. {_MAINTENANCE}",
        )  # fmt: skip


def beat() -> Iterator[Finding]:
    """Look when a task that beat asks for every minute was last done."""
    done = _latest("jobs.erase")
    age = None if done is None else timezone.now() - done.date_done
    if age is not None and age <= _BEAT:
        yield findings.ok("beat", f"Housekeeping was last done {age.total_seconds():.0f} s ago.")
    elif any(_began_lately(one) for one in attendance.workers()):
        yield findings.note("beat", "The maintenance worker has begun a moment ago.")
    else:
        when = "never" if age is None else f"{age.total_seconds():.0f} s ago"
        yield findings.wrong(
            "beat", f"Housekeeping was last done {when}: nothing is expired or verified.",
            f"Beat runs within the maintenance worker (`celery worker --beat`). {_MAINTENANCE}",
        )  # fmt: skip


def _began_lately(one: attendance.Attendant) -> bool:
    return "maintenance" in one.queues and one.heartbeat_at - one.started_at < _BEAT and one.serves


def outbox() -> Iterator[Finding]:
    """Look for webhooks that nobody has tried to send although they are due."""
    due = webhooks.overdue(older_than_s=_OUTBOX_S)
    if due:
        yield findings.wrong(
            "outbox", f"{due} webhooks are due for over {_OUTBOX_S:.0f} s and not tried.",
            "Is a webhook worker there? `manage.py webhooks list --state pending` shows them; a slow"
            " receiver holds up its own alone.",
        )  # fmt: skip
    else:
        yield findings.ok("outbox", "No webhook is overdue.")


def ledger(*, now: bool) -> Iterator[Finding]:
    """Tell what the last proof of the ledger found, or prove it now, which reads all of it."""
    if now:
        yield _drift(len(ledger_check.verify().drift), "just now")
        return
    done = _latest("jobs.verify_ledger")
    age = None if done is None else timezone.now() - done.date_done
    if done is None or age is None or age > _LEDGER or done.status != "SUCCESS":
        yield findings.note(
            "ledger", "The ledger has not been proved within two hours.",
            "Beat asks for it every hour; `manage.py doctor --ledger` does it now.",
        )  # fmt: skip
    else:
        drift = int(json.loads(done.result)["drift"])
        yield _drift(drift, f"{age.total_seconds() / 60:.0f} minutes ago")


def _drift(places: int, when: str) -> Finding:
    if places:
        return findings.wrong(
            "ledger", f"The ledger drifted in {places} places, {when}.",
            "Keep what `manage.py verify_ledger --json` prints, and see \"When the ledger drifts\" in"
            " docs/operations.md.",
        )  # fmt: skip
    return findings.ok("ledger", f"The ledger agreed with its entries and the jobs, {when}.")


def _latest(task: str) -> TaskResult | None:
    done: TaskResult | None = (
        TaskResult.objects.filter(task_name=task).order_by("-date_done").first()
    )
    return done
