"""The values that cross the edge of this app. Pure."""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping

from budgets.gate import Decision, Mode, OnCapHit
from budgets.windows import Layer, WindowKind
from genie.core import errors


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """Whom a job bills: an organisation and, where known, what in it asked."""

    organization_id: uuid.UUID
    application_id: uuid.UUID | None = None
    member_id: uuid.UUID | None = None
    user_id: uuid.UUID | None = None

    def subjects(self) -> list[tuple[Layer, uuid.UUID]]:
        """Return the layers that this payer has, in walk order."""
        pairs: list[tuple[Layer, uuid.UUID]] = [(Layer.ORG, self.organization_id)]
        if self.application_id is not None:
            pairs.append((Layer.APPLICATION, self.application_id))
        if self.member_id is not None:
            pairs.append((Layer.MEMBER, self.member_id))
        if self.user_id is not None:
            pairs.append((Layer.USER, self.user_id))
        return pairs


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequest:
    """What one job may cost at most."""

    reference: uuid.UUID  # the job
    payer: Payer
    amount_microcredits: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The money is set aside.

    ``remaining`` is what the tightest cap of the payer has left after it, in micro-credits, where
    the application asks for that (``soft-warn``).
    """

    reference: uuid.UUID
    remaining: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A cap forbids it; ``error`` is the complete answer. Nothing is held."""

    reference: uuid.UUID
    error: errors.BudgetCapHit
    cap: str  # the name of the cap, such as application_monthly_cap
    may_fit: bool  # whether every cap is at least the amount, so that waiting may help
    ceiling: int | None  # the most that may fit, in micro-credits; -1: not even 0 does


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """It was not decided on: an older request of the line waits for a cap that binds both."""

    reference: uuid.UUID
    cap: str  # the name of that cap


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What the gate would decide about an amount now."""

    mode: Mode
    decision: Decision | None  # None in mode off, which decides nothing
    allowed: bool
    # Where a cap would trip: by how much. Then ``explained`` names it, also where the mode allows.
    over_microcredits: int | None = None
    explained: Mapping[str, object]  # capLayer, capWindow, resetsAt, layers: as a 402 has them


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a job has cost in the end."""

    reference: uuid.UUID
    actual_microcredits: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One disagreement between two records that must agree."""

    what: str  # spent, held, hold, open-hold or cost
    name: str  # which window or job
    recorded: int | None
    derived: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CounterDrift:
    """A window's counters, and what its entries add up to; -1 is recorded where the row is gone."""

    window_id: int
    name: str
    spent: int
    spent_derived: int
    held: int
    held_derived: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of a verification."""

    drift: tuple[Drift, ...]
    open_holds: int
    settlements: int

    @property
    def is_clean(self) -> bool:
        """Whether every record agrees."""
        return not self.drift


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One window of one subject now. Amounts in micro-credits."""

    layer: Layer
    subject_id: uuid.UUID
    window: WindowKind
    period: str
    spent: int
    held: int
    cap: int | None  # what counts now, a temporary raise included
    base_cap: int | None  # what counts when no raise does
    raised_until: dt.datetime | None  # the end of the raise that counts now
    on_cap_hit: OnCapHit

    @property
    def remaining(self) -> int | None:
        """What may still be held; never below 0, None if unlimited."""
        return None if self.cap is None else max(0, self.cap - self.spent - self.held)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OpenHold:
    """Money that a job holds now, and on which layers of the payer who asks."""

    reference: uuid.UUID  # the job
    amount: int
    opened_at: dt.datetime
    layers: tuple[Layer, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a payer may spend now, and what holds the rest. Amounts in micro-credits.

    The holds are those of the organisation's jobs that count on a current window of the payer,
    whoever asked for them.
    """

    balances: tuple[Balance, ...]
    open_holds: int
    held_microcredits: int  # by all of them
    newest_holds: tuple[OpenHold, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OpenHolds:
    """All holds that are open, of everybody."""

    count: int
    microcredits: int
    oldest_s: float  # since the oldest was opened; 0 without any
