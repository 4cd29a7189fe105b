"""Tells applications about their caps: each thing once, in the transaction that it happened in.

Only a decision that is near a cap or hits one comes here, so a plain allowance pays nothing.

Note [Told once]
    A row of the table Alert is a thing that was told, and its UNIQUE constraint says what "once"
    means: per application, cap, period and kind. Who inserts it holds the lock on the counter that
    it is about, since alerts are written after ``ledger.lock`` in the same transaction. So two
    admissions never wait for each other here, and the second sees the first's row. The row and
    its webhook event commit together or not at all.
"""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db import connection

from budgets import gate, money, windows
from budgets.types import Payer
from genie.core.transactions import transaction_required
from genie.tenants import selectors as tenants
from genie.tenants.selectors import AlertWebhook
from webhooks import payloads
from webhooks import services as webhooks
from webhooks.services import NewEvent

# What is told already is left out before the insert, so that a caller who goes on and on at its cap
# uses up no ids.
_RECORD = """
INSERT INTO budgets_alert (kind, application_id, layer, subject_id, "window", period, at)
SELECT a.*, genie_now()
  FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::text[])
    AS a(kind, application_id, layer, subject_id, kind_of_window, period)
 WHERE NOT EXISTS (SELECT FROM budgets_alert t
                    WHERE t.application_id = a.application_id AND t.subject_id = a.subject_id
                      AND t.layer = a.layer AND t."window" = a.kind_of_window
                      AND t.period = a.period AND t.kind = a.kind)
    ON CONFLICT (application_id, subject_id, layer, "window", period, kind) DO NOTHING
RETURNING kind, application_id, layer, subject_id, "window", period, at
"""

# A period is long over when its alerts go, so that none is told twice: no window but `total`, whose
# alerts stay, is longer than 31 days.
_EXPIRE = """
DELETE FROM budgets_alert WHERE id = ANY(ARRAY(
  SELECT id FROM budgets_alert
   WHERE "window" <> 'total' AND at < genie_now() - greatest(make_interval(secs => %s), interval '32 days')
   ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED))
"""


class Key(NamedTuple):
    """What is told once; see Note [Told once]."""

    kind: gate.AlertKind
    application_id: uuid.UUID
    layer: windows.Layer
    subject_id: uuid.UUID
    window: windows.WindowKind
    period: str


class Alarm(NamedTuple):
    """One thing to tell, about a counter as it stood for the decision that set it off."""

    key: Key
    organization_id: uuid.UUID
    counter: gate.Counter  # what it holds moves on while the batch is decided
    held: int
    requested: int


@dataclasses.dataclass(slots=True, kw_only=True)
class Alarms:
    """What the decisions of one batch have to tell, each thing once."""

    _found: dict[tuple[uuid.UUID, gate.AlertKind, gate.Counter], Alarm] = dataclasses.field(
        default_factory=dict
    )

    def add(
        self, payer: Payer, found: Iterable[tuple[gate.AlertKind, gate.Counter]], *, amount: int
    ) -> None:
        """Note what a decision about ``payer`` found; nobody is told where no application asks."""
        application_id = payer.application_id
        if application_id is None:
            return
        for kind, counter in found:
            place = application_id, kind, counter
            if place not in self._found:
                subject_id = dict(payer.subjects())[counter.layer]
                key = Key(
                    kind, application_id, counter.layer, subject_id, counter.window, counter.period
                )
                self._found[place] = Alarm(
                    key, payer.organization_id, counter, counter.held, amount
                )

    def publish(self) -> int:
        """Tell each application that has a receiver what it was not told before; return how many.

        A receiver is its own alert webhook, or an endpoint of its organisation that subscribes.
        Runs in the caller's transaction, after its windows were locked.
        """
        with transaction_required():
            if not self._found:
                return 0
            receivers = tenants.alert_webhooks({one.key.application_id for one in self})
            listening = webhooks.listening(
                {one.organization_id for one in self}, {f"budget.{kind}" for kind in gate.AlertKind}
            )
            alarms = {
                one.key: one
                for one in self
                if one.key.application_id in receivers or one.organization_id in listening
            }
            told = _record(list(alarms))
            webhooks.publish_many(
                [_event(alarms[key], receivers.get(key.application_id), at=at) for key, at in told]
            )
        return len(told)

    def __iter__(self) -> Iterator[Alarm]:
        return iter(self._found.values())


def expire(*, older_than: dt.timedelta, limit: int) -> int:
    """Delete alerts of periods that have been over for long; return how many, at most ``limit``."""
    with connection.cursor() as cursor:
        cursor.execute(_EXPIRE, [older_than.total_seconds(), limit])
        return int(cursor.rowcount)


def _record(keys: Sequence[Key]) -> list[tuple[Key, dt.datetime]]:
    """Insert what was not told before; return it with its time."""
    if not keys:
        return []
    columns = [[_plain(part) for part in column] for column in zip(*keys, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, columns)
        rows = cursor.fetchall()
    # A row compares equal to its key: the enumerations are strings.
    return [(Key(*row[:-1]), row[-1]) for row in rows]


def _event(alarm: Alarm, receiver: AlertWebhook | None, *, at: dt.datetime) -> NewEvent:
    key = alarm.key
    event_type = f"budget.{key.kind}"
    body: dict[str, object] = {
        "event": event_type,
        "organizationId": str(alarm.organization_id),
        "applicationId": str(key.application_id),
        "subjectId": str(key.subject_id),
        **gate.shown(alarm.counter, amount=alarm.requested),
        "held": money.to_wire(alarm.held),
        "at": windows.instant_wire(at),
    }
    return NewEvent(
        event_type=event_type,
        organization_id=alarm.organization_id,
        reference=key.application_id,
        body=payloads.serialise(body),
        url=receiver.url if receiver else "",
        sealed_secret=receiver.sealed_secret if receiver else None,
    )


def _plain(part: Any) -> Any:
    return part if isinstance(part, uuid.UUID) else str(part)
