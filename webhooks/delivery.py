"""Send what is due: claim, POST, record, in a loop that no slow receiver holds up.

No transaction is open while a POST runs. A claim gives a delivery its next attempt number and a
lease; the record names that number and changes nothing once another claim has been made. A worker
that dies between the POST and the record leaves a lease to lapse, and the same bytes go out again
under the same id.
"""

import concurrent.futures
import contextlib
import dataclasses
import datetime as dt
import functools
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from django.conf import settings

from genie.core import crypto, errors, failpoints, logs, tracing, transactions
from webhooks import formats, lanes, naming, outcomes, signing, signing_keys, transport, trials
from webhooks.claims import Claim, claim_due, hand_back
from webhooks.errors import ErrorClass, TransportError
from webhooks.formats import Manner
from webhooks.models import Endpoint
from webhooks.recording import Result, record

TICKET_SHARE = (
    1000  # deliveries of one ticket, so that a worker asked to stop is never far from an end
)
LOOK_AGAIN_S = 0.25  # while a slow receiver holds a slot, how long new work may go unseen
ROUND_S = 0.05  # how long ended attempts wait for others to be recorded with
HELD_PER_SLOT = 8  # deliveries that a run holds at most, sent or waiting, for each of its slots

TESTS = 4  # at once in one process; each holds a thread of whoever asked

log = logging.getLogger(__name__)
_tests = threading.BoundedSemaphore(TESTS)
paces = lanes.Paces()


class Post(Protocol):
    """The transport's ``post``."""

    def __call__(
        self, url: str, body: bytes, headers: Mapping[str, str], /, *, deadline_s: float
    ) -> transport.Answer:
        """Send within so many seconds, and return the answer; raises TransportError."""


class Probe(Protocol):
    """The transport's ``probe``."""

    def __call__(
        self, url: str, headers: Mapping[str, str], /, *, deadline_s: float
    ) -> transport.Answer:
        """Ask OPTIONS within so many seconds, and return the answer; raises TransportError."""


def deliver_due(
    *,
    limit: int,
    post: Post = transport.post,
    probe: Probe = transport.probe,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Send what is due until nothing is left, and return how many deliveries were claimed.

    Args:
        limit: Claim at most so many.
        post: The transport.
        probe: The same, for formats that ask before they send.
        stop: Once this says True, nothing more is claimed or begun.
    """
    slots: int = settings.GENIE_WEBHOOK_CONCURRENCY
    send = functools.partial(attempt, post=post, probe=probe)
    with transactions.durable(), concurrent.futures.ThreadPoolExecutor(slots, "webhooks") as pool:
        return _Run(slots=slots, limit=limit, pool=pool, send=send, stop=stop).run()


# Note [Rounds of a run]
# A transaction for each delivery would cost more than the delivery. So a run goes in rounds: one
# statement claims, one records all attempts that have ended since, and in between threads send. A
# round that has something to record lasts ROUND_S at least, unless there is nothing left to do; an
# idle one looks for new work after LOOK_AGAIN_S. What was claimed ahead for a receiver that has
# stopped answering is handed back, so that it waits in the table and not here.
class _Run:
    """One call of ``deliver_due``: everything but the sending happens in its thread."""

    def __init__(
        self,
        *,
        slots: int,
        limit: int,
        pool: concurrent.futures.Executor,
        send: Callable[[Claim], Result],
        stop: Callable[[], bool],
    ) -> None:
        self._limit, self._pool, self._send, self._stop = limit, pool, send, stop
        self._claimed = 0
        self._most_held = slots * HELD_PER_SLOT
        self._lanes = lanes.Lanes[Claim](
            slots=slots,
            # The other half is for the record, as before an attempt.
            longest_wait_s=settings.GENIE_WEBHOOK_LEASE_MARGIN_S / 2,
            per_receiver=settings.GENIE_WEBHOOK_PER_RECEIVER,
            per_host=settings.GENIE_WEBHOOK_PER_HOST,
        )
        self._ended = queue.SimpleQueue[Result | BaseException]()

    def run(self) -> int:
        """Go round until nothing is due and nothing is under way."""
        while True:
            self._claim()
            if not self._lanes.held:
                return self._claimed
            results = self._round()
            # Now, while it is known what has ended: after a statement it would be as old as that took.
            stuck = self._lanes.give_back(now=time.monotonic(), everything=self._stop())
            record(results)
            hand_back(stuck)

    def _claim(self) -> None:
        room = min(self._most_held - self._lanes.held, self._limit - self._claimed)
        if room <= 0 or self._stop():
            return
        ahead, ahead_hosts = paces.ahead(at_once=settings.GENIE_WEBHOOK_PER_RECEIVER)
        claimed = claim_due(limit=room, ahead=ahead, ahead_hosts=ahead_hosts)
        self._lanes.add(claimed, now=time.monotonic())
        self._claimed += len(claimed)

    def _round(self) -> list[Result]:
        """Send for a while and return what has ended."""
        results: list[Result] = []
        until = time.monotonic() + ROUND_S
        while True:
            self._start()
            wait_s = max(until - time.monotonic(), 0) if results else LOOK_AGAIN_S
            ended = self._wait(wait_s)
            results += ended
            if not ended or not self._lanes.held or time.monotonic() >= until:
                return results

    def _wait(self, wait_s: float) -> list[Result]:
        """Return everything that has ended, waiting for the first; nothing, after ``wait_s``."""
        results: list[Result] = []
        with contextlib.suppress(queue.Empty):
            while True:  # all of it: on a busy machine a round may be over before it has begun
                ended = self._ended.get(timeout=wait_s) if not results else self._ended.get_nowait()
                if isinstance(ended, BaseException):
                    raise ended
                self._take_in(ended)
                results.append(ended)
        return results

    def _start(self) -> None:
        if self._stop():
            return
        for claim, claimed_at in self._lanes.start():
            waited = dt.timedelta(seconds=time.monotonic() - claimed_at)
            self._pool.submit(self._attempt, dataclasses.replace(claim, at=claim.at + waited))

    def _attempt(self, claim: Claim) -> None:
        try:
            self._ended.put(self._send(claim))
        except BaseException as error:  # raised again in the thread that waits for it
            self._ended.put(error)

    def _take_in(self, result: Result) -> None:
        self._lanes.ended(result.claim, now=time.monotonic())
        paces.learn(result.claim, took_s=result.took.total_seconds(), good=result.answered.ok)


def attempt(claim: Claim, *, post: Post = transport.post, probe: Probe = transport.probe) -> Result:
    """Send one claimed delivery once; every failure is a result. Touches no database."""
    is_of_job = not claim.event_type.startswith(("budget.", "webhook."))
    job = claim.reference if is_of_job else None
    span = _span(claim)
    claim = dataclasses.replace(claim, traceparent=span.traceparent or claim.traceparent)
    trace_id = tracing.trace_id_of(claim.traceparent)
    with logs.bound(delivery=claim.message_id, job=job, attempt=claim.number, trace_id=trace_id):
        result = _attempt(claim, post=post, probe=probe)
    if span is not tracing.NOTHING:
        status, failed = result.answered.status, not result.answered.ok
        span.end(
            attributes={} if status is None else {"http.response.status_code": status},
            error=result.answered.reason if failed else None,
        )
    return result


def _span(claim: Claim) -> tracing.Span:
    """Begin the span of an attempt in the trace of what it tells of."""
    if claim.traceparent is None:
        return tracing.NOTHING
    return tracing.begin(
        f"webhook {claim.event_type}",
        kind=tracing.Kind.CLIENT,
        parent=claim.traceparent,
        attributes={
            "http.request.method": "POST",
            "server.address": claim.host,
            "genie.delivery": str(claim.message_id),
            "genie.attempt": claim.number,
        },
    )


def _attempt(claim: Claim, *, post: Post, probe: Probe) -> Result:
    started, head = time.monotonic(), b""
    manner = formats.MANNERS[claim.format].within(settings.GENIE_WEBHOOK_ATTEMPT_S)
    try:
        headers = _headers(claim, manner)
        if manner.probe_s is not None:
            asking = {"User-Agent": manner.wire.user_agent}
            _require_ready(probe(claim.url, asking, deadline_s=manner.probe_s))
        answer = post(claim.url, claim.body, headers, deadline_s=manner.attempt_s)
        failpoints.reach("after_post")
        answered, head = (
            outcomes.Answered(status=answer.status, retry_after=answer.retry_after),
            answer.head,
        )
    except TransportError as error:
        answered = outcomes.Answered(status=error.status, error_class=error.error_class)
    except crypto.CannotUnseal:
        answered = outcomes.Answered(error_class=ErrorClass.SECRET_UNREADABLE)
    except Exception:  # this attempt's defect must not take its neighbours down
        log.exception("A delivery failed for a reason of our own.")
        answered = outcomes.Answered(error_class=ErrorClass.INTERNAL)
    took = dt.timedelta(seconds=time.monotonic() - started)
    return Result(claim=claim, answered=answered, head=head, took=took)


def send_test(
    endpoint: Endpoint,
    *,
    now: dt.datetime,
    post: Post = transport.post,
    probe: Probe = transport.probe,
) -> Result:
    """Send an endpoint a ``webhook.test`` and return what came of it; takes as long as its format allows.

    Raises:
        CannotRedeliver: The endpoint has no URL.
        Unavailable: ``TESTS`` are under way in this process.
    """
    if not _tests.acquire(blocking=False):
        raise errors.Unavailable(f"{TESTS} tests of webhooks are under way; try again shortly.")
    try:
        with transactions.durable():
            result = attempt(trials.begin(endpoint, now=now), post=post, probe=probe)
            record([result])
            return result
    finally:
        _tests.release()


def _headers(claim: Claim, manner: Manner) -> dict[str, str]:
    made = signing.headers(
        claim.body,
        event_type=claim.event_type,
        delivery_id=str(claim.message_id),
        secrets=[crypto.unseal(one) for one in claim.sealed_secrets],
        at=claim.at,
        signing_key=signing_keys.first(settings.GENIE_WEBHOOK_SIGNING_KEYS),
        wire=manner.wire,
        about=_about(claim, manner),
    )
    if claim.traceparent is not None:
        made["traceparent"] = claim.traceparent
    own = {} if claim.sealed_headers is None else json.loads(crypto.unseal(claim.sealed_headers))
    return formats.merge_headers(own, made)


def _about(claim: Claim, manner: Manner) -> dict[str, str]:
    if claim.endpoint_id is None:
        return {}
    return formats.about(
        manner,
        event_type=claim.event_type,
        endpoint=naming.endpoint_id(claim.endpoint_id),
        reference=str(claim.reference),
    )


def _require_ready(answer: transport.Answer) -> None:
    """Take any answer below 500 for readiness: many receivers answer 404 or 405 to OPTIONS."""
    if answer.status >= 500:
        raise TransportError(ErrorClass.PROBE, status=answer.status)
