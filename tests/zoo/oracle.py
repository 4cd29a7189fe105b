"""Judge a campaign by what its three witnesses say: the publisher, the receivers, the database; pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

ATTEMPTS = 4  # the native schedule: the first POST and three retries
WAITS_S = (5.0, 30.0, 300.0)
WAIT_SLACK_S = 0.5  # a wait counts from the end of its attempt, which is recorded in milliseconds
# Nothing mends these, so the first ends the delivery.
PERMANENT = frozenset({"blocked-address", "url-refused", "secret-unreadable"})
P95_FACTOR = 2.0
# Below this a p95 is the noise of a busy machine, and twice of it is no sign of anything.
P95_FLOOR_S = 0.1

Ends = frozenset[tuple[str, str | None]]
DELIVERED: Ends = frozenset({("delivered", None)})


def fails(*reasons: str) -> Ends:
    """Return the end of a delivery that can only fail, for one of these reasons."""
    return frozenset(("failed", reason) for reason in reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A delivery as its publisher knows it."""

    id: str
    animal: str
    digest: str
    at: float  # of the commit, or of the rollback; seconds of this machine's clock
    committed: bool = True
    phase: str = "calm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A POST as its receiver saw it."""

    animal: str
    id: str
    at: float
    digest: str
    same_id: bool = True  # the native id and the standard one
    native: bool = True  # the signature verifies
    standard: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A delivery as the database has it at the end."""

    id: str
    state: str
    reason: str | None
    recorded: int  # attempts on record


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A retry that the campaign brought forward, and how long it would have waited."""

    id: str
    failures: int
    planned_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that the witnesses said."""

    published: Sequence[Published]
    arrivals: Sequence[Arrival]
    ended: Sequence[Ended]
    waits: Sequence[Wait] = ()
    canary: int = 0  # connections where nobody may come
    # What each animal's deliveries may end as; those who never see a request are unseen.
    expected: Mapping[str, Ends] = field(default_factory=dict)
    unseen: Collection[str] = ()
    good: Collection[str] = ()  # the animals whose p95 is compared


def judge(evidence: Evidence) -> list[str]:
    """Return every breach of what we promise, in words; none is what we hope for."""
    return [
        *_ends(evidence),
        *_schedules(evidence),
        *_arrivals(evidence),
        *_delivered_but_unseen(evidence),
        *_latency(evidence),
        *([f"{evidence.canary} connections at the canary"] if evidence.canary else []),
    ]


def p95_s(evidence: Evidence, phase: str) -> float:
    """Return the 95th percentile of the time from commit to first arrival at good receivers."""
    first: dict[str, float] = {}
    for one in evidence.arrivals:
        first[one.id] = min(one.at, first.get(one.id, math.inf))
    spans = sorted(
        first[one.id] - one.at
        for one in evidence.published
        if one.phase == phase and one.animal in evidence.good and one.id in first
    )
    return spans[math.ceil(0.95 * len(spans)) - 1] if spans else 0.0


def _ends(evidence: Evidence) -> Iterable[str]:
    """Every committed delivery has ended, as its receiver makes it end; no other exists."""
    ended = {one.id: one for one in evidence.ended}
    committed = {one.id: one for one in evidence.published if one.committed}
    yield from (
        f"{one} is in the database, and nobody committed it"
        for one in ended.keys() - committed.keys()
    )
    for published in committed.values():
        found = ended.get(published.id)
        if found is None:
            yield f"{published.id} to {published.animal} is lost"
        elif found.state == "pending":
            yield f"{published.id} to {published.animal} never ended (last: {found.reason})"
        elif (found.state, found.reason) not in evidence.expected[published.animal]:
            yield f"{published.id} to {published.animal} ended {found.state}: {found.reason}"


def _schedules(evidence: Evidence) -> Iterable[str]:
    """A delivery that failed was tried as often, and would have waited as long, as its schedule says."""
    for one in evidence.ended:
        if one.state != "failed":
            continue
        if one.reason not in PERMANENT and one.recorded != ATTEMPTS:
            yield f"{one.id} failed ({one.reason}) after {one.recorded} attempts on record, not {ATTEMPTS}"
    for wait in evidence.waits:
        due_s = WAITS_S[wait.failures - 1]
        if abs(wait.planned_s - due_s) > WAIT_SLACK_S:
            yield f"{wait.id} waits {wait.planned_s:.2f} s after failure {wait.failures}, not {due_s:g} s"


def _arrivals(evidence: Evidence) -> Iterable[str]:
    """What arrives was committed, is signed, and has the same id and bytes each time."""
    published = {one.id: one for one in evidence.published}
    for one in evidence.arrivals:
        known = published.get(one.id)
        if known is None:
            yield f"{one.animal} got {one.id or 'a POST without an id'}, which nobody published"
        else:
            yield from _arrival(one, known)


def _arrival(one: Arrival, known: Published) -> Iterable[str]:
    wrong = {
        "whose transaction rolled back": not known.committed,
        f"which was for {known.animal}": known.animal != one.animal,
        "with other bytes than were published": known.digest != one.digest,
        "with another webhook-id than X-Genie-Delivery": not one.same_id,
        "with an X-Genie-Signature that does not verify": not one.native,
        "which the standardwebhooks package does not verify": not one.standard,
    }
    yield from (f"{one.animal} got {one.id}, {what}" for what, is_so in wrong.items() if is_so)


def _delivered_but_unseen(evidence: Evidence) -> Iterable[str]:
    arrived = {one.id for one in evidence.arrivals}
    animals = {one.id: one.animal for one in evidence.published}
    for one in evidence.ended:
        if one.state == "delivered" and one.id not in arrived and one.id in animals:
            yield f"{one.id} stands as delivered, and {animals[one.id]} never got it"
    for animal in {one.animal for one in evidence.arrivals} & set(evidence.unseen):
        yield f"{animal} was talked to"


def _latency(evidence: Evidence) -> Iterable[str]:
    calm, mixed = p95_s(evidence, "calm"), p95_s(evidence, "mixed")
    limit = P95_FACTOR * max(calm, P95_FLOOR_S)
    if mixed >= limit:
        yield f"good receivers' p95 is {mixed:.3f} s beside the bad ones, {calm:.3f} s without: over {limit:.3f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one animal's deliveries."""

    animal: str
    events: int
    delivered: int
    failed: int
    pending: int
    posts: int
    twice: int  # deliveries that arrived again though they had been answered or lost
    reasons: str


def table(evidence: Evidence) -> list[Row]:
    """Return a row for each animal."""
    ended = {one.id: one for one in evidence.ended}
    posts = Counter(one.id for one in evidence.arrivals)
    mine: dict[str, list[Published]] = defaultdict(list)
    for one in evidence.published:
        if one.committed:
            mine[one.animal].append(one)
    rows = []
    for animal, published in mine.items():
        found = [ended[one.id] for one in published if one.id in ended]
        states = Counter(one.state for one in found)
        reasons = Counter(one.reason for one in found if one.state == "failed")
        rows.append(
            Row(
                animal=animal,
                events=len(published),
                delivered=states["delivered"],
                failed=states["failed"],
                pending=states["pending"],
                posts=sum(posts[one.id] for one in published),
                twice=sum(posts[one.id] > one.recorded for one in found),
                reasons=", ".join(f"{reason} {count}" for reason, count in reasons.most_common()),
            )
        )
    return rows
