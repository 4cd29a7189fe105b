"""Record attempts: their outcomes, the health of their endpoints, and the end of those that only fail."""

import datetime as dt
import logging
import random
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection

from genie.core import metrics, outages, transactions
from webhooks import endpoints, formats, outcomes
from webhooks.claims import Claim
from webhooks.models import DisabledReason

RECORD_PAUSES_S = (0.2, 1.0, 5.0)  # between tries to record; a lost record costs a second POST
# An endpoint is disabled after so long of nothing but failures, if they were at least so many: one
# event whose schedule is used up proves more than one failure after a quiet week.
FAILING_FOR = dt.timedelta(days=5)
FAILING_ATTEMPTS = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an attempt brought."""

    claim: Claim
    answered: outcomes.Answered
    head: bytes
    took: dt.timedelta


# One statement, so an attempt is on record if and only if its outcome was applied. Endpoints are
# locked in the order of their ids, after the deliveries; whoever disables one locks no delivery.
_RECORD = """
WITH results AS (
    SELECT * FROM unnest(
        %s::uuid[], %s::int[], %s::text[], %s::text[], %s::timestamptz[], %s::boolean[],
        %s::timestamptz[], %s::int[], %s::int[], %s::text[], %s::bytea[]
    ) AS r (id, number, state, reason, next_attempt_at, gone,
            started_at, duration_ms, status, error_class, head)
), moved AS (
    UPDATE webhooks_delivery d
       SET state = r.state, reason = r.reason, next_attempt_at = r.next_attempt_at, lease_expires_at = NULL,
           sealed_secret = CASE WHEN r.state = 'pending' THEN d.sealed_secret END,
           ended_at = CASE WHEN r.state = 'pending' THEN NULL ELSE genie_now() END
      FROM results r WHERE d.id = r.id AND d.attempts = r.number AND d.state = 'pending'
    RETURNING d.id, d.endpoint_id, d.state, d.schedule, r.gone
), logged AS (
    INSERT INTO webhooks_attempt (delivery_id, number, started_at, duration_ms, status, error_class, answer)
    SELECT r.id, r.number, r.started_at, r.duration_ms, r.status, r.error_class, r.head
      FROM results r JOIN moved ON moved.id = r.id
), tally AS (
    SELECT endpoint_id, bool_or(state = 'delivered') AS succeeded, bool_or(gone) AS gone,
           count(*) FILTER (WHERE state <> 'delivered') AS failures
      FROM moved WHERE endpoint_id IS NOT NULL AND schedule <> 'once' GROUP BY endpoint_id
), locked AS (
    SELECT e.id FROM webhooks_endpoint e JOIN tally t ON t.endpoint_id = e.id
     WHERE NOT t.succeeded OR e.consecutive_failures > 0
        OR e.last_success_at IS NULL OR e.last_success_at < genie_now() - interval '1 minute'
     ORDER BY e.id FOR NO KEY UPDATE OF e
), health AS (
    UPDATE webhooks_endpoint e
       SET last_success_at = CASE WHEN t.succeeded THEN genie_now() ELSE e.last_success_at END,
           consecutive_failures = CASE WHEN t.succeeded THEN 0 ELSE e.consecutive_failures + t.failures END,
           failing_since = CASE WHEN NOT t.succeeded THEN coalesce(e.failing_since, genie_now()) END
      FROM tally t JOIN locked ON locked.id = t.endpoint_id WHERE e.id = t.endpoint_id
    RETURNING e.id, e.enabled, e.failing_since, e.consecutive_failures, t.gone
)
SELECT (SELECT count(*) FROM moved),
       (SELECT array_agg(id) FROM health WHERE enabled AND gone),
       (SELECT array_agg(id) FROM health WHERE enabled AND NOT gone AND consecutive_failures >= %s
           AND failing_since <= genie_now() - make_interval(secs => %s))
"""


def record(results: Sequence[Result]) -> int:
    """Write attempts with their outcomes, and return how many were still current.

    An endpoint that is gone, or has failed for too long, is disabled in the same transaction.

    Raises:
        DatabaseError: The database stayed away, or only reads; the leases lapse and the deliveries go out again.
    """
    if not results:
        return 0
    rows = [_columns(result) for result in results]
    written = _insist(results, rows)
    _count(results, rows)
    if written < len(results):
        metrics.fenced.labels("delivery").inc(len(results) - written)
        log.warning(
            "%d of %d attempts had been overtaken by another claim.",
            len(results) - written,
            len(results),
        )
    return written


_OUTCOMES = {"delivered": "delivered", "pending": "retried", "failed": "failed"}


def _count(results: Sequence[Result], rows: Sequence[tuple[Any, ...]]) -> None:
    for result, row in zip(results, rows, strict=True):
        metrics.webhook_attempts.labels(result.claim.format, _OUTCOMES[row[_STATE]]).inc()
        metrics.webhook_seconds.observe(result.took.total_seconds())


def _insist(results: Sequence[Result], rows: Sequence[tuple[Any, ...]]) -> int:
    for pause_s in RECORD_PAUSES_S:
        try:
            return _write(results, rows)
        except DatabaseError as error:
            if outages.refusal(error) is None:
                raise
            connection.close()
            threading.Event().wait(pause_s)
    return _write(results, rows)


def _write(results: Sequence[Result], rows: Sequence[tuple[Any, ...]]) -> int:
    columns = zip(*rows, strict=True)
    parameters: list[Any] = [
        *(list(column) for column in columns),
        FAILING_ATTEMPTS,
        FAILING_FOR.total_seconds(),
    ]
    if all(one.answered.ok or one.claim.endpoint_id is None for one in results):
        return _execute(parameters)[
            0
        ]  # disables nothing, so the statement is a transaction of its own
    with transactions.transaction():
        written, gone, failing = _execute(parameters)
        endpoints.disable_for(gone or [], DisabledReason.GONE)
        endpoints.disable_for(failing or [], DisabledReason.FAILING)
    return written


def _execute(
    parameters: Sequence[Any],
) -> tuple[int, list[uuid.UUID] | None, list[uuid.UUID] | None]:
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, parameters)
        written, gone, failing = cursor.fetchone()
    return int(written), gone, failing


_STATE = 2  # the place of the delivery's state in what ``_columns`` returns


def _columns(result: Result) -> tuple[Any, ...]:
    claim, answered = result.claim, result.answered
    outcome = outcomes.decide(
        answered,
        rules=formats.RULES[claim.schedule],
        earlier_failures=claim.earlier_failures,
        now=claim.at + result.took,
        draw=random.random(),  # noqa: S311 - spreads retries; guards nothing
    )
    at: dt.datetime | None = None
    match outcome:
        case outcomes.Delivered():
            state, reason = "delivered", None
        case outcomes.RetryAt(at=later, reason=reason):
            state, at = "pending", later
        case outcomes.GiveUp(reason=reason) | outcomes.DisableEndpoint(reason=reason):
            state = "failed"
    duration_ms = int(result.took / dt.timedelta(milliseconds=1))
    error_class = answered.error_class and answered.error_class.value
    gone = isinstance(outcome, outcomes.DisableEndpoint)
    moved = (claim.delivery_id, claim.number, state, reason, at, gone)
    return (*moved, claim.at, duration_ms, answered.status, error_class, result.head)
