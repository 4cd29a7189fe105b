"""Send what is due: claim, POST, record, in a loop that no slow receiver holds up.

No transaction is open while a POST runs. A claim gives a delivery its next attempt number and a
lease; the record names that number and changes nothing once another claim has been made. A worker
that dies between the POST and the record leaves a lease to lapse, and the same bytes go out again
under the same id.
"""

import concurrent.futures
import datetime as dt
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from django.conf import settings

from genie.core import crypto, errors, transactions
from webhooks import formats, naming, outcomes, signing, signing_keys, transport, trials
from webhooks.claims import Claim, claim_due
from webhooks.errors import ErrorClass, TransportError
from webhooks.formats import Manner
from webhooks.models import Endpoint
from webhooks.recording import Result, record

TICKET_SHARE = (
    1000  # deliveries of one ticket, so that a worker asked to stop is never far from an end
)
LOOK_AGAIN_S = 0.25  # while a slow receiver holds a slot, how long new work may go unseen

TESTS = 4  # at once in one process; each holds a thread of whoever asked

log = logging.getLogger(__name__)
_tests = threading.BoundedSemaphore(TESTS)


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
    """Send what is due until nothing is left, and return how many attempts were made.

    Args:
        limit: Claim at most so many.
        post: The transport.
        probe: The same, for formats that ask before they send.
        stop: Once this says True, nothing more is claimed.
    """
    made, flight = 0, dict[concurrent.futures.Future[Result], Claim]()
    slots: int = settings.GENIE_WEBHOOK_CONCURRENCY
    with transactions.durable(), concurrent.futures.ThreadPoolExecutor(slots, "webhooks") as pool:
        while True:
            room = 0 if stop() else min(slots - len(flight), limit - made)
            for claim in claim_due(limit=room):
                flight[pool.submit(attempt, claim, post=post, probe=probe)] = claim
                made += 1
            if not flight:
                return made
            done, _ = concurrent.futures.wait(
                flight, LOOK_AGAIN_S, concurrent.futures.FIRST_COMPLETED
            )
            record([future.result() for future in done])
            for future in done:
                del flight[future]


def attempt(claim: Claim, *, post: Post = transport.post, probe: Probe = transport.probe) -> Result:
    """Send one claimed delivery once; every failure is a result. Touches no database."""
    started, head = time.monotonic(), b""
    manner = formats.MANNERS[claim.format]
    try:
        headers = _headers(claim, manner)
        if manner.probe_s is not None:
            asking = {"User-Agent": manner.wire.user_agent}
            _require_ready(probe(claim.url, asking, deadline_s=manner.probe_s))
        answer = post(claim.url, claim.body, headers, deadline_s=manner.attempt_s)
        answered, head = (
            outcomes.Answered(status=answer.status, retry_after=answer.retry_after),
            answer.head,
        )
    except TransportError as error:
        answered = outcomes.Answered(status=error.status, error_class=error.error_class)
    except crypto.CannotUnseal:
        answered = outcomes.Answered(error_class=ErrorClass.SECRET_UNREADABLE)
    except Exception:  # this attempt's defect must not take its neighbours down
        log.exception("Delivery %s failed for a reason of our own.", claim.delivery_id)
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
    """Send an endpoint a ``webhook.test`` and return what came of it; takes up to ten seconds.

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
