"""What the witnesses of a campaign say: the clients, the receivers of webhooks, the database; plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.plan import Call, Planned

TERMINAL = frozenset({"completed", "failed", "cancelled", "timeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer to one request, as its client got it; status 0 where the connection broke."""

    at: float  # when it was asked, in seconds of this machine's clock
    took_s: float
    asked: str  # submit, poll, cancel, events, peek
    status: int
    code: str = ""
    content_type: str = ""
    retry_after: str = ""
    limit_s: float = 10.0  # what it may take by its own promise
    cut: str = ""  # how the connection broke


@dataclass(slots=True, kw_only=True)
class Told:
    """Everything that a client was told about one call."""

    call: Call
    answers: list[Answer] = field(default_factory=list)
    posts: int = 0  # requests sent that may each have made a job
    ids: set[str] = field(default_factory=set)  # of the jobs that it was told of, as UUIDs
    states: list[str] = field(default_factory=list)  # that it was told, in order
    streamed: str = ""  # the text of a stream, as far as it went
    stream: str = ""  # how the stream ended: done, error, cut, left
    content: str | None = None  # of a sync answer or a poll
    foreign: list[str] = field(default_factory=list)  # ids of others that it could see

    @property
    def accepted(self) -> bool:
        """Whether a job was acknowledged."""
        return bool(self.ids) or any(
            one.asked == "submit" and 200 <= one.status < 300 for one in self.answers
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job's row."""

    id: str
    organization: str
    marker: str
    state: str
    mode: str
    attempt: int
    parked: bool
    cost: int | None
    content: str | None
    told_at: str  # the address of its webhook
    created_at: float
    completed_at: float | None
    code: str | None = None  # of its error


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of a job's history, in order."""

    job: str
    type: str
    attempt: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a job."""

    job: str
    number: int
    worker: str
    started_at: float
    ended_at: float | None
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A movement of money."""

    reference: str
    kind: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Money set aside."""

    reference: str
    amount: int
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A webhook, as the database has it."""

    id: str
    job: str
    receiver: str
    state: str
    reason: str | None
    recorded: int  # attempts on record
    digest: str  # SHA-256 of the stored bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A POST that a receiver got."""

    receiver: str
    id: str
    digest: str
    same_id: bool
    native: bool
    standard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A fault that was done; times are seconds of this machine's clock."""

    planned: Planned
    at: float
    healed_at: float | None


@dataclass(slots=True, kw_only=True)
class Evidence:
    """All of it."""

    told: Sequence[Told] = ()
    jobs: Mapping[str, Job] = field(default_factory=dict)
    events: Sequence[Event] = ()
    attempts: Sequence[Attempt] = ()
    entries: Sequence[Entry] = ()
    holds: Sequence[Hold] = ()
    deliveries: Sequence[Delivery] = ()
    arrivals: Sequence[Arrival] = ()
    faults: Sequence[Done] = ()
    samples: int = 0
    sampled: Sequence[tuple[str, str]] = ()  # breaches seen in samples: invariant, what
    ledger: Mapping[str, object] = field(default_factory=dict)  # what verify_ledger says
    ends: Mapping[str, frozenset[tuple[str, str | None]]] = field(default_factory=dict)
    slack_s: float = 10.0  # above a request's own limit
    trouble: Sequence[str] = ()  # of the campaign itself: it proves nothing then
