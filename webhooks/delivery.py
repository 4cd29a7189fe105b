"""Claim due deliveries, send them, record each attempt and apply its outcome.

No transaction is open while a POST runs. A claim gives a delivery its next attempt number and a
lease; the record names that number and changes nothing once another claim has been made. A worker
that dies between the POST and the record leaves a lease to lapse, and the same bytes go out again
under the same id.
"""

import concurrent.futures
import datetime as dt
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings
from django.db import OperationalError, connection

from genie.core import crypto, metrics, transactions
from webhooks import outcomes, schedule, signing, signing_keys, transport
from webhooks.errors import ErrorClass, TransportError

TICKET_SHARE = (
    1000  # deliveries of one ticket, so that a worker asked to stop is never far from an end
)
CONCURRENCY = 32  # attempts at once in one process; they wait on the network, not on the processor
PER_HOST = 4  # of which to one host:port, so that one that hangs leaves slots for the others
LEASE_S = 30  # an attempt has 10 s; the rest is for recording it through a database restart
LOOK_AGAIN_S = 0.25  # while a slow receiver holds a slot, how long new work may go unseen
RECORD_PAUSES_S = (0.2, 1.0, 5.0)  # between tries to record; a lost record costs a second POST

log = logging.getLogger(__name__)


class Post(Protocol):
    """The transport's one function."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], /) -> transport.Answer:
        """Send, and return the answer; raises TransportError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery under a lease, and what its attempt needs."""

    delivery_id: uuid.UUID
    number: int  # the fence: every write of this attempt names it
    earlier_failures: int  # attempts on record; a lost one uses up no step of the schedule
    at: dt.datetime  # the database's clock at the claim
    url: str
    sealed_secret: str | None
    event_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an attempt brought."""

    claim: Claim
    answered: outcomes.Answered
    head: bytes
    took: dt.timedelta


# The hosts that have pending work are found by stepping through the index (a loose scan), and each
# gives at most as many rows as its bound leaves: a thousand deliveries to a host that hangs cost a
# claim no more than one, and cannot keep another host's out. The bound is counted from the leases in
# the table, so it holds over all workers together, save for claims made in the same instant.
# next_attempt_at becomes the lease's end: a lapsed lease needs no reaper, it is simply due.
_CLAIM = """
WITH RECURSIVE hosts AS (
    (SELECT host FROM webhooks_delivery WHERE state = 'pending' ORDER BY host LIMIT 1)
    UNION ALL
    SELECT (SELECT d.host FROM webhooks_delivery d
             WHERE d.state = 'pending' AND d.host > hosts.host ORDER BY d.host LIMIT 1)
      FROM hosts WHERE hosts.host IS NOT NULL
), room AS (
    SELECT host, greatest(%(per_host)s::int - (
               SELECT count(*) FROM webhooks_delivery d
                WHERE d.state = 'pending' AND d.host = hosts.host
                  AND d.next_attempt_at > genie_now() AND d.lease_expires_at IS NOT NULL), 0) AS places
      FROM hosts WHERE host IS NOT NULL
), due AS (
    SELECT candidate.id FROM room CROSS JOIN LATERAL (
        SELECT d.id, d.next_attempt_at FROM webhooks_delivery d
         WHERE d.state = 'pending' AND d.host = room.host AND d.next_attempt_at <= genie_now()
         ORDER BY d.next_attempt_at LIMIT room.places
           FOR UPDATE SKIP LOCKED) AS candidate
     ORDER BY candidate.next_attempt_at, candidate.id LIMIT %(limit)s::int
), claimed AS (
    UPDATE webhooks_delivery d
       SET attempts = d.attempts + 1,
           lease_expires_at = genie_now() + make_interval(secs => %(lease)s),
           next_attempt_at = genie_now() + make_interval(secs => %(lease)s)
      FROM due WHERE d.id = due.id
    RETURNING d.id, d.attempts, d.url, d.sealed_secret, d.event_id
)
SELECT c.id, c.attempts, (SELECT count(*) FROM webhooks_attempt a WHERE a.delivery_id = c.id),
       genie_now(), c.url, c.sealed_secret, e.type, e.body
  FROM claimed c JOIN webhooks_event e ON e.id = c.event_id
"""

# One statement, so an attempt is on record if and only if its outcome was applied.
_RECORD = """
WITH results AS (
    SELECT * FROM unnest(
        %s::uuid[], %s::int[], %s::text[], %s::text[], %s::timestamptz[],
        %s::timestamptz[], %s::int[], %s::int[], %s::text[], %s::bytea[]
    ) AS r (id, number, state, reason, next_attempt_at, started_at, duration_ms, status, error_class, head)
), moved AS (
    UPDATE webhooks_delivery d
       SET state = r.state, reason = r.reason, next_attempt_at = r.next_attempt_at, lease_expires_at = NULL,
           sealed_secret = CASE WHEN r.state = 'pending' THEN d.sealed_secret END,
           ended_at = CASE WHEN r.state = 'pending' THEN NULL ELSE genie_now() END
      FROM results r WHERE d.id = r.id AND d.attempts = r.number AND d.state = 'pending'
    RETURNING d.id
)
INSERT INTO webhooks_attempt (delivery_id, number, started_at, duration_ms, status, error_class, answer)
SELECT r.id, r.number, r.started_at, r.duration_ms, r.status, r.error_class, r.head
  FROM results r JOIN moved ON moved.id = r.id
"""


def deliver_due(
    *, limit: int, post: Post = transport.post, stop: Callable[[], bool] = lambda: False
) -> int:
    """Send what is due until nothing is left, and return how many attempts were made.

    Args:
        limit: Claim at most so many.
        post: The transport.
        stop: Once this says True, nothing more is claimed.
    """
    made, flight = 0, dict[concurrent.futures.Future[Result], Claim]()
    slots = getattr(settings, "GENIE_WEBHOOK_CONCURRENCY", CONCURRENCY)
    with transactions.durable(), concurrent.futures.ThreadPoolExecutor(slots, "webhooks") as pool:
        while True:
            room = 0 if stop() else min(slots - len(flight), limit - made)
            for claim in claim_due(limit=room):
                flight[pool.submit(attempt, claim, post=post)] = claim
                made += 1
            if not flight:
                return made
            done, _ = concurrent.futures.wait(
                flight, LOOK_AGAIN_S, concurrent.futures.FIRST_COMPLETED
            )
            record([future.result() for future in done])
            for future in done:
                del flight[future]


def claim_due(*, limit: int) -> list[Claim]:
    """Take due deliveries under a lease; each is given to one caller only."""
    if limit <= 0:
        return []
    per_host = getattr(settings, "GENIE_WEBHOOK_PER_HOST", PER_HOST)
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"per_host": per_host, "limit": limit, "lease": LEASE_S})
        rows = cursor.fetchall()
    return [_claim(row) for row in rows]


def attempt(claim: Claim, *, post: Post) -> Result:
    """Send one claimed delivery once; every failure is a result. Touches no database."""
    started, head = time.monotonic(), b""
    try:
        sealed = () if claim.sealed_secret is None else (claim.sealed_secret,)
        headers = signing.headers(
            claim.body,
            event_type=claim.event_type,
            delivery_id=str(claim.delivery_id),
            secrets=[crypto.unseal(one) for one in sealed],
            at=claim.at,
            signing_key=signing_keys.first(settings.GENIE_WEBHOOK_SIGNING_KEYS),
        )
        answer = post(claim.url, claim.body, headers)
        answered, head = outcomes.Answered(status=answer.status), answer.head
    except TransportError as error:
        answered = outcomes.Answered(status=error.status, error_class=error.error_class)
    except crypto.CannotUnseal:
        answered = outcomes.Answered(error_class=ErrorClass.SECRET_UNREADABLE)
    except Exception:  # this attempt's defect must not take its neighbours down
        log.exception("Delivery %s failed for a reason of our own.", claim.delivery_id)
        answered = outcomes.Answered(error_class=ErrorClass.INTERNAL)
    took = dt.timedelta(seconds=time.monotonic() - started)
    return Result(claim=claim, answered=answered, head=head, took=took)


def record(results: Sequence[Result]) -> int:
    """Write attempts with their outcomes, and return how many were still current.

    Raises:
        OperationalError: The database stayed away; the leases lapse and the deliveries go out again.
    """
    if not results:
        return 0
    columns = list(zip(*(_columns(result) for result in results), strict=True))
    for pause_s in (*RECORD_PAUSES_S, None):
        try:
            with connection.cursor() as cursor:
                cursor.execute(_RECORD, [list(column) for column in columns])
                written = int(cursor.rowcount)
            break
        except OperationalError:
            if pause_s is None:
                raise
            connection.close()
            threading.Event().wait(pause_s)
    if written < len(results):
        metrics.fenced.labels("delivery").inc(len(results) - written)
        log.warning(
            "%d of %d attempts had been overtaken by another claim.",
            len(results) - written,
            len(results),
        )
    return written


def _claim(row: Sequence[object]) -> Claim:
    names = (
        "delivery_id",
        "number",
        "earlier_failures",
        "at",
        "url",
        "sealed_secret",
        "event_type",
        "body",
    )
    return Claim(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type]


def _columns(result: Result) -> tuple[object, ...]:
    claim, answered = result.claim, result.answered
    outcome = outcomes.decide(
        answered,
        schedule=schedule.NATIVE,
        earlier_failures=claim.earlier_failures,
        now=claim.at + result.took,
        draw=random.random(),  # noqa: S311 - spreads retries; guards nothing
    )
    match outcome:
        case outcomes.Delivered():
            state, reason, at = "delivered", None, None
        case outcomes.RetryAt(at=at, reason=reason):
            state = "pending"
        case outcomes.GiveUp(reason=reason):
            state, at = "failed", None
    duration_ms = int(result.took / dt.timedelta(milliseconds=1))
    error_class = answered.error_class and answered.error_class.value
    moved = (claim.delivery_id, claim.number, state, reason, at)
    return (*moved, claim.at, duration_ms, answered.status, error_class, result.head)
