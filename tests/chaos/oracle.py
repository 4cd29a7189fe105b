"""Judge a campaign: I1 to I10, each from what its witnesses say; pure."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from tests.chaos.evidence import (
    TERMINAL,
    Answer,
    Arrival,
    Attempt,
    Delivery,
    Entry,
    Event,
    Evidence,
    Job,
    Told,
)

INVARIANTS: Mapping[str, str] = {
    "I1": "every job that was acknowledged exists and has ended",
    "I2": "each job that has ended is settled exactly once",
    "I3": "spent and held are within the cap in every sample",
    "I4": "counters are the sums of their entries; nothing is held at rest",
    "I5": "only legal moves, none from an end, no two attempts at once",
    "I6": "the result is the winning attempt's, and begins with what was streamed; no fault fails a job",
    "I7": "each webhook is delivered, or failed after its schedule, with one id and the same signed bytes",
    "I8": "one job for each idempotency key",
    "I9": "nothing crosses organisations",
    "I10": "2xx, 4xx, 503 with Retry-After, 504 and 500 where promised; JSON, in time",
}
MOVES: Mapping[str, frozenset[str]] = {
    "": frozenset({"job.queued", "job.parked"}),
    "job.parked": frozenset({"job.queued", "job.cancelled", "job.timeout"}),
    "job.queued": frozenset(
        {"job.running", "job.promoted", "job.cancelled", "job.timeout", "job.failed"}
    ),
    "job.running": frozenset(
        {"job.requeued", "job.completed", "job.failed", "job.cancelled", "job.timeout"}
    ),
}
_SAME_AS_QUEUED = ("job.requeued", "job.promoted")
RETRIES_ON_RECORD = 4  # the native schedule: the first POST and three retries
PERMANENT = frozenset({"http-410", "blocked-address", "url-refused", "secret-unreadable"})
_JSON = re.compile(r"application/(problem\+)?json\b")

Breach = tuple[str, str]


def judge(evidence: Evidence) -> list[Breach]:
    """Return every breach as invariant and sentence; none is what we hope for."""
    found = [*evidence.sampled]
    for name, check in _CHECKS.items():
        found += [(name, what) for what in check(evidence)]
    return found


def _acknowledged(evidence: Evidence) -> Iterable[str]:
    for told in evidence.told:
        for job_id in told.ids:
            job = evidence.jobs.get(job_id)
            if job is None:
                yield f"call {told.call.number} was told of job {job_id}, which does not exist"
            elif job.state not in TERMINAL:
                yield f"job {job_id} of call {told.call.number} is still {job.state}"
    known = {job_id for told in evidence.told for job_id in told.ids}
    for job in evidence.jobs.values():
        if job.id not in known and job.state not in TERMINAL:
            yield f"job {job.id}, of which nobody was told, is still {job.state}"


def _settled_once(evidence: Evidence) -> Iterable[str]:
    by_job: dict[str, list[Entry]] = defaultdict(list)
    for entry in evidence.entries:
        by_job[entry.reference].append(entry)
    holds = {hold.reference: hold for hold in evidence.holds}
    for job in evidence.jobs.values():
        if job.state not in TERMINAL:
            continue
        kinds = Counter(entry.kind for entry in by_job[job.id])
        needs = Counter() if job.parked else Counter(("hold", "settle"))
        if kinds - Counter({"release": 1}) != needs:  # what a hold has left is released, if any
            yield f"job {job.id} ({job.state}) has the entries {dict(kinds)}"
        elif not job.parked:
            yield from _amounts(job, by_job[job.id], holds[job.id].amount)


def _amounts(job: Job, entries: Iterable[Entry], held: int) -> Iterable[str]:
    amounts = Counter({entry.kind: entry.amount for entry in entries})
    if amounts["settle"] != job.cost:
        yield f"job {job.id} costs {job.cost} and was charged {amounts['settle']}"
    if amounts["settle"] + amounts["release"] != held:
        yield f"job {job.id}: {dict(amounts)} do not use its hold of {held} up"


def _at_rest(evidence: Evidence) -> Iterable[str]:
    for hold in evidence.holds:
        if hold.open:
            yield f"the hold of {hold.reference} is still open"
        if hold.reference not in evidence.jobs:
            yield f"a hold names {hold.reference}, which is no job"
    if not evidence.ledger.get("clean"):
        yield f"verify_ledger says {dict(evidence.ledger)}"


def _history(evidence: Evidence) -> Iterable[str]:
    by_job: dict[str, list[Event]] = defaultdict(list)
    for event in evidence.events:
        by_job[event.job].append(event)
    for job in evidence.jobs.values():
        yield from _moves(job.id, by_job[job.id], job.state)
    attempts: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in evidence.attempts:
        attempts[attempt.job].append(attempt)
    for job_id, of_job in attempts.items():
        yield from _one_at_a_time(job_id, of_job)
    for told in evidence.told:
        yield from _said_of_state(told)


def _moves(job_id: str, events: list[Event], state: str) -> Iterable[str]:
    at, attempt = "", 0
    for event in events:
        if event.type not in MOVES.get(at, frozenset()):
            yield f"job {job_id} went from {at or 'nothing'} to {event.type}"
        if event.attempt < attempt:
            yield f"job {job_id} went back to attempt {event.attempt} from {attempt}"
        attempt = event.attempt
        at = "job.queued" if event.type in _SAME_AS_QUEUED else event.type
    if at != f"job.{state}":
        yield f"job {job_id} is {state}, and its history ends with {at or 'nothing'}"


def _one_at_a_time(job_id: str, attempts: list[Attempt]) -> Iterable[str]:
    for number, attempt in enumerate(attempts, start=1):
        if attempt.number != number:
            yield f"job {job_id} has no attempt {number}"
            return
    for before, after in itertools.pairwise(attempts):
        if before.ended_at is None or before.ended_at > after.started_at:
            yield f"attempt {after.number} of job {job_id} began before attempt {before.number} ended"


def _said_of_state(told: Told) -> Iterable[str]:
    ends = [state for state in told.states if state in TERMINAL]
    if len(set(ends)) > 1 or (ends and told.states[-1] not in TERMINAL):
        yield f"call {told.call.number} was told {told.states}"


def _results(evidence: Evidence) -> Iterable[str]:
    outcomes = {(one.job, one.number): one.outcome for one in evidence.attempts}
    for job in evidence.jobs.values():
        won = outcomes.get((job.id, job.attempt))
        if job.state == "completed" and won != "completed":
            yield f"job {job.id} completed, and its attempt {job.attempt} ended as {won}"
        if job.state == "failed" and job.code != "worker-lost":  # nothing is wrong with any of them
            yield f"job {job.id} of {job.marker} failed as {job.code} by a fault that passes"
    for told in evidence.told:
        for job_id in told.ids:
            made = evidence.jobs.get(job_id)
            if made is not None and told.call.kind == "chat":
                yield from _text(told, made.state, made.content)


def _text(told: Told, state: str, content: str | None) -> Iterable[str]:
    number = told.call.number
    if told.call.model.startswith("echo") and content not in (None, f"echo: {told.call.text}"):
        yield f"call {number} has the answer {content!r} to {told.call.text!r}"
    if told.content is not None and told.content != content:
        yield f"call {number} was answered {told.content!r}; its row has {content!r}"
    if content is not None and not content.startswith(told.streamed):
        yield f"call {number} streamed {told.streamed!r}, which does not begin {content!r}"
    if told.stream == "done" and (state != "completed" or told.streamed != content):
        yield f"call {number} streamed {told.streamed!r} to [DONE]; its row is {state} with {content!r}"


def _webhooks(evidence: Evidence) -> Iterable[str]:
    jobs_told = Counter(one.job for one in evidence.deliveries)
    for job in evidence.jobs.values():
        if job.state in TERMINAL and job.told_at and jobs_told[job.id] != 1:
            yield f"job {job.id} has {jobs_told[job.id]} deliveries, not one"
        if job.state not in TERMINAL and jobs_told[job.id]:
            yield f"job {job.id} has not ended, and was told of"
    arrived = Counter(one.id for one in evidence.arrivals)
    for one in evidence.deliveries:
        yield from _delivery(one, arrived[one.id], evidence)
    deliveries = {one.id: one for one in evidence.deliveries}
    for arrival in evidence.arrivals:
        yield from _arrival(arrival, deliveries.get(arrival.id))


def _delivery(one: Delivery, arrived: int, evidence: Evidence) -> Iterable[str]:
    end = (one.state, one.reason)
    used_up = one.recorded == RETRIES_ON_RECORD or one.reason in PERMANENT
    if end not in evidence.ends.get(one.receiver, frozenset({("delivered", None)})):
        yield f"delivery {one.id} to {one.receiver} ended as {end} after {one.recorded} attempts"
    elif one.state == "failed" and not used_up:
        yield f"delivery {one.id} failed after {one.recorded} attempts on record"
    if one.state == "delivered" and not arrived:
        yield f"delivery {one.id} stands as delivered, and {one.receiver} never got it"


def _arrival(arrival: Arrival, known: Delivery | None) -> Iterable[str]:
    if known is None:
        yield f"{arrival.receiver} got {arrival.id}, which is no delivery"
    elif arrival.digest != known.digest:
        yield f"{arrival.receiver} got {arrival.id} with other bytes than are stored"
    if not (arrival.same_id and arrival.native and arrival.standard):
        yield f"{arrival.receiver} got {arrival.id} with ids or signatures that do not verify"


def _keys(evidence: Evidence) -> Iterable[str]:
    made = Counter(job.marker for job in evidence.jobs.values())
    for told in evidence.told:
        if len(told.ids) > 1 and told.call.key:
            yield f"call {told.call.number} has one key and was told of {len(told.ids)} jobs"
        most = 1 if told.call.key else max(told.posts, 1)
        count = made[f"call{told.call.number}z"]
        if count > most:
            yield f"call {told.call.number} made {count} jobs by {told.posts} posts, at most {most}"


def _tenancy(evidence: Evidence) -> Iterable[str]:
    organizations = {f"call{told.call.number}z": told.call.organization for told in evidence.told}
    slugs: dict[int, set[str]] = defaultdict(set)
    for job in evidence.jobs.values():
        if job.marker in organizations:
            slugs[organizations[job.marker]].add(job.organization)
    for number, found in slugs.items():
        if len(found) > 1:
            yield f"jobs of organisation {number} are rows of {sorted(found)}"
    for told in evidence.told:
        for job_id in told.foreign:
            yield f"organisation {told.call.organization} could see job {job_id} of another"


def _answers(evidence: Evidence) -> Iterable[str]:
    for told in evidence.told:
        for answer in told.answers:
            if what := _wrong(answer, told, evidence):
                yield f"call {told.call.number} ({told.call.facade} {told.call.mode}): {what}"


def _wrong(answer: Answer, told: Told, evidence: Evidence) -> str:
    if answer.took_s > answer.limit_s + evidence.slack_s:
        return f"{answer.asked} took {answer.took_s:.1f} s; its limit is {answer.limit_s:g} s"
    if answer.status == 0:
        return ""  # the process was killed, or the client left: it was told nothing
    if answer.status >= 500 and not _may_fail(answer, told, evidence):
        return f"{answer.asked} got {answer.status} {answer.code or answer.content_type}"
    if _is_unavailable(answer, told) and not answer.retry_after:
        return f"{answer.asked} got {answer.status} {answer.code} without Retry-After"
    streamed = answer.content_type.startswith("text/event-stream") and answer.status == 200
    if not (streamed or _JSON.match(answer.content_type) or answer.status in (204, 304)):
        return f"{answer.asked} got {answer.status} with {answer.content_type or 'no type'}"
    return ""


def _is_unavailable(answer: Answer, told: Told) -> bool:
    """Whether it says that a server is away; Bifrost's contract says 500 for a job that was not stored."""
    stored = told.call.facade == "bifrost" and answer.asked == "submit"
    return answer.status == 503 or (answer.status == 500 and stored)


def _may_fail(answer: Answer, told: Told, evidence: Evidence) -> bool:
    """Whether this 5xx is one of those that are promised."""
    if _is_unavailable(answer, told):
        return True
    waits = answer.asked == "submit" and told.call.mode in ("sync", "stream")
    if answer.status == 504:
        return waits
    if answer.status == 500 and waits:
        mine = (evidence.jobs[job_id] for job_id in evidence.jobs if job_id in told.ids)
        marked = (job for job in evidence.jobs.values() if job.marker == f"call{told.call.number}z")
        return any(job.state in ("failed", "timeout") for job in (*mine, *marked))
    return False


_CHECKS: Mapping[str, Callable[[Evidence], Iterable[str]]] = {
    "I1": _acknowledged,
    "I2": _settled_once,
    "I4": _at_rest,
    "I5": _history,
    "I6": _results,
    "I7": _webhooks,
    "I8": _keys,
    "I9": _tenancy,
    "I10": _answers,
}
