"""The use cases of money: hold, settle, set caps, tell applications, read balances, prove the ledger.

Budgets fail closed: whatever is unknown here raises, and the caller's transaction rolls back.
"""

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict, TypeVar

from django.conf import settings
from django.db import connection
from prometheus_client import Counter as Metric

from budgets import alerts, drift, gate, ledger, money, selectors, windows
from budgets.batch import Batch, counter_of, places_of
from budgets.errors import AmountError, HoldNotOpenError
from budgets.gate import Mode, OnCapHit
from budgets.models import Cap
from budgets.types import (
    Balance,
    Behind,
    Foreseen,
    Held,
    HoldRequest,
    Payer,
    Refused,
    Report,
    Settlement,
    Statement,
)
from budgets.windows import Layer, WindowKind
from genie.core import crypto, errors
from genie.core.transactions import transaction, transaction_required
from genie.tenants import services as tenants
from webhooks import signing, transport

AnswerT = TypeVar("AnswerT")

NEAR_CAP_PERCENT = 80  # of a cap, after this request; GENIE_BUDGET_NEAR_CAP_PERCENT replaces it

logger = logging.getLogger(__name__)

overrun = Metric(
    "genie_budget_overrun_total",
    "Settlements that asked for more than their hold; each is a defect",
)


class AlertWebhookChange(TypedDict):
    """What to write of an application's alert webhook: judged, and the secret sealed."""

    url: str | tenants.Unchanged | None
    sealed_secret: str | tenants.Unchanged | None


def configured_mode() -> Mode:
    """Return the mode that GENIE_BUDGET_MODE names."""
    return Mode(settings.GENIE_BUDGET_MODE)


def hold_many(requests: Sequence[HoldRequest], *, mode: Mode | None = None) -> list[Held | Refused]:
    """Decide each request by itself, in order, and hold what is allowed on all its windows.

    ``mode`` is GENIE_BUDGET_MODE unless the caller says otherwise.

    Runs in the caller's transaction and locks windows until it ends: hold a whole batch in one
    call, and call neither this nor ``settle_many`` a second time in the same transaction. A
    refusal's event and alerts stay if the transaction commits, so commit it though the job is not
    inserted.

    Raises:
        AmountError: An amount is negative or beyond ``money.MAX_MICROCREDITS``.
        LedgerError: A guard fired.
        IntegrityError: A reference has been held before.
    """
    return _hold(requests, mode, Batch.decide)


def hold_in_turn(
    requests: Sequence[HoldRequest], *, mode: Mode | None = None
) -> list[Held | Refused | Behind]:
    """Hold what is allowed of a line of waiting requests, oldest first, none past an older one.

    As ``hold_many``, but a refusal closes the subject whose cap it met: every later request that
    the subject pays for too is Behind it. A refusal writes no event: each of these was refused,
    and that was recorded, when its line began.

    Raises:
        AmountError, LedgerError, IntegrityError: As ``hold_many``.
    """
    return _hold(requests, mode, Batch.decide_in_turn)


def preview_in_turn(
    requests: Sequence[HoldRequest], *, mode: Mode | None = None
) -> list[Held | Refused | Behind]:
    """Return what ``hold_in_turn`` would answer now. Locks, holds and records nothing."""
    if not requests:
        return []
    places = places_of(requests)
    table: list[list[gate.Counter]] = [[] for _ in places]
    for one in balances(list(places)):
        table[places[one.layer, one.subject_id]].append(counter_of(one))
    batch = _batch(mode, places, table)
    return [batch.decide_in_turn(request) for request in requests]


def foresee(payer: Payer, amount_microcredits: int, *, mode: Mode | None = None) -> Foreseen:
    """Return what the gate would decide about this amount now; hold, lock and record nothing.

    The counters may move before the amount is asked for, so this promises nothing.

    Raises:
        AmountError: The amount is negative or beyond ``money.MAX_MICROCREDITS``.
    """
    mode = configured_mode() if mode is None else mode
    _check_amount(amount_microcredits)
    if mode is Mode.OFF:
        return Foreseen(mode=mode, decision=None, allowed=True, explained={"layers": []})
    account = gate.Account.of(map(counter_of, balances(payer.subjects())))
    decision, counter = gate.judge(
        account, amount=amount_microcredits, near_cap_percent=_near_cap_percent()
    )
    if decision is not gate.Decision.REFUSE or counter is None:
        layers = [gate.shown(one, amount=amount_microcredits) for one in account.capped]
        return Foreseen(mode=mode, decision=decision, allowed=True, explained={"layers": layers})
    over = counter.spent + counter.held + amount_microcredits - (counter.cap or 0)
    refusal = gate.refusal(account, blocking=counter, amount=amount_microcredits)
    return Foreseen(
        mode=mode,
        decision=decision,
        allowed=mode is not Mode.ON,
        over_microcredits=over,
        explained=refusal.extra,
    )


def settle_many(settlements: Sequence[Settlement]) -> None:
    """Close each hold once: charge the windows of its admission, release what is left.

    Runs in the caller's transaction, which also writes the terminal states. A charge above its hold
    is a defect: the hold is charged, the rest is logged and counted.

    Raises:
        HoldNotOpenError: A hold was settled before (in this batch too) or never taken.
        AmountError: A charge is negative or beyond ``money.MAX_MICROCREDITS``.
    """
    if not settlements:
        return
    charges = {one.reference: one.actual_microcredits for one in settlements}
    if len(charges) != len(settlements):
        raise HoldNotOpenError({one.reference for one in settlements})
    for amount in charges.values():
        _check_amount(amount)
    for reference in ledger.settle(list(charges.items())):
        overrun.inc()
        logger.error(
            "job %s asked for %d micro-credits, more than its hold: charged the hold",
            reference,
            charges[reference],
        )


def set_cap(
    layer: Layer,
    subject_id: uuid.UUID,
    window: WindowKind,
    cap_microcredits: int | None,
    *,
    now: dt.datetime,
    by: str = "",
) -> None:
    """Write one cap; None is unlimited, 0 allows nothing. Acts on the next request.

    A cap below what is spent and held already refuses new work and disturbs nothing. A temporary
    raise of the cap ends with this, or a lower cap would not act. ``by`` is who did it, as the
    cap's history shows it; a trigger appends to that.

    Raises:
        InvalidRequest: The layer does not have that window, or the amount cannot be a cap.
    """
    _check_window(layer, window)
    if cap_microcredits is not None and not 0 <= cap_microcredits <= money.MAX_MICROCREDITS:
        raise errors.InvalidRequest.of("cap", "A cap is between 0 and 1000000000 credits, or null.")
    Cap.objects.update_or_create(
        layer=layer,
        subject_id=subject_id,
        window=window,
        defaults={
            "cap_microcredits": cap_microcredits,
            "raised_microcredits": None,
            "raised_until": None,
            "updated_at": now,
            "updated_by": by,
        },
    )


def raise_cap(  # noqa: PLR0913 - what, and by whom
    layer: Layer,
    subject_id: uuid.UUID,
    window: WindowKind,
    to_microcredits: int,
    *,
    until: dt.datetime,
    now: dt.datetime,
    by: str = "",
) -> None:
    """Let a higher amount count instead of a cap until an instant; it ends by itself.

    Acts on the next request and replaces an earlier raise. When it ends, what was spent meanwhile
    stays spent, so the cap may then refuse until its window turns.

    Raises:
        InvalidRequest: There is no such cap, it is unlimited or not below the amount, the amount
            is too large, or the end is not after ``now``.
    """
    _check_window(layer, window)
    if until <= now:
        raise errors.InvalidRequest.of("until", "The end of a raise lies in the future.")
    if to_microcredits > money.MAX_MICROCREDITS:
        raise errors.InvalidRequest.of("to", "A cap is at most 1000000000 credits.")
    # One guarded statement: a cap that is lifted meanwhile is not raised. Null is below nothing.
    raised = Cap.objects.filter(
        layer=layer, subject_id=subject_id, window=window, cap_microcredits__lt=to_microcredits
    ).update(raised_microcredits=to_microcredits, raised_until=until, updated_at=now, updated_by=by)
    if not raised:
        raise errors.InvalidRequest.of(
            "to", f"There is no {window} cap of the {layer} layer below that amount to raise."
        )


def end_raise(
    layer: Layer, subject_id: uuid.UUID, window: WindowKind, *, now: dt.datetime, by: str = ""
) -> None:
    """Let a cap itself count again, whether it was raised or not. Acts on the next request.

    Raises:
        InvalidRequest: The layer does not have that window.
    """
    _check_window(layer, window)
    Cap.objects.filter(layer=layer, subject_id=subject_id, window=window).exclude(
        raised_until=None
    ).update(raised_microcredits=None, raised_until=None, updated_at=now, updated_by=by)


def set_on_cap_hit(
    application_id: uuid.UUID, behaviour: OnCapHit, *, now: dt.datetime, by: str = ""
) -> None:
    """Say what all caps of an application do when they are hit. Acts on the next request.

    The caps of the other layers block whatever this says.
    """
    # A row for each window, with a cap or without: a cap that is set later finds the behaviour.
    Cap.objects.bulk_create(
        [
            Cap(
                layer=Layer.APPLICATION,
                subject_id=application_id,
                window=window,
                on_cap_hit=behaviour,
                updated_at=now,
                updated_by=by,
            )
            for window in windows.WINDOWS_OF[Layer.APPLICATION]
        ],
        update_conflicts=True,
        unique_fields=["subject_id", "layer", "window"],
        update_fields=["on_cap_hit", "updated_at", "updated_by"],
    )


def set_alert_webhook(
    organization_id: uuid.UUID,
    application_id: uuid.UUID,
    *,
    url: str | tenants.Unchanged | None = tenants.UNCHANGED,
    secret: str | tenants.Unchanged | None = tenants.UNCHANGED,
) -> None:
    """Say where an application is told about its caps, and what signs it; acts on the next request.

    Without a URL nobody is told and no secret is kept; without a secret alerts are not signed.
    A look-up of the host may take a second: call it outside a transaction.

    Raises:
        InvalidRequest: The URL may not be called, the secret cannot be one, or there is a secret
            but no URL.
        NotFound: The organisation has no such application.
    """
    change = judge_alert_webhook(url=url, secret=secret)
    tenants.set_alert_webhook(organization_id, application_id, **change)


def judge_alert_webhook(
    *, url: str | tenants.Unchanged | None, secret: str | tenants.Unchanged | None
) -> AlertWebhookChange:
    """Return what ``tenants.write_alert_webhook`` is to write; see ``set_alert_webhook``.

    Raises:
        InvalidRequest: The URL may not be called, or the secret cannot be one.
    """
    if isinstance(url, str):
        transport.check_url(url, field="alertWebhookUrl")
    if isinstance(secret, str):
        if problem := signing.secret_problem(secret):
            raise errors.InvalidRequest.of("alertWebhookSecret", problem)
        secret = crypto.seal(secret)
    return {"url": url, "sealed_secret": secret}


def expire(*, older_than: dt.timedelta, limit: int) -> int:
    """Delete decisions and alerts that are older; return how many, at most ``limit`` of each.

    Call again while it returns ``limit`` or more. An alert stays at least until its period is over.
    """
    with transaction():
        events = ledger.expire_events(older_than=older_than, limit=limit)
        return events + alerts.expire(older_than=older_than, limit=limit)


def effective(payer: Payer) -> list[Balance]:
    """Return every window of the payer in walk order: cap, spent, held, remaining, period."""
    return balances(payer.subjects())


def statement(payer: Payer, *, most_holds: int) -> Statement:
    """Return ``effective`` together with the open holds behind it, at most so many by name."""
    return selectors.statement(payer.subjects(), most_holds=most_holds)


def balances(subjects: Sequence[tuple[Layer, uuid.UUID]]) -> list[Balance]:
    """Return every window of these subjects in its current period."""
    return selectors.balances(subjects)


def verify(
    *,
    open_references: Iterable[uuid.UUID] | None = None,
    costs: Iterable[tuple[uuid.UUID, int]] | None = None,
) -> Report:
    """Re-derive every counter from the entries and compare, in one snapshot; change nothing.

    Args:
        open_references: The jobs that are not terminal: exactly they have open holds.
        costs: (job, cost) of the terminal jobs: exactly they are settled, at that cost.

    Both are read inside the snapshot, so pass lazy iterables (querysets), not lists read before.
    """
    with transaction():
        with connection.cursor() as cursor:
            # One snapshot for all queries, and the web's time limit is not for this one.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
        opened = selectors.open_references()
        settlements = selectors.settled_count()
        found = [*drift.of_counters(), *drift.of_holds()]
        if open_references is not None:
            found += drift.of_open_holds(opened, set(open_references))
        if costs is not None:
            found += drift.of_costs(costs, settlements=settlements)
    return Report(drift=tuple(found), open_holds=len(opened), settlements=settlements)


def _hold(
    requests: Sequence[HoldRequest],
    mode: Mode | None,
    decide: Callable[[Batch, HoldRequest], AnswerT],
) -> list[AnswerT]:
    """Lock the windows of all requests once, decide on each in order, and write what came of it."""
    if not requests:
        return []
    for request in requests:
        _check_amount(request.amount_microcredits)
    with transaction_required():
        places = places_of(requests)
        table = ledger.lock(list(places))
        batch = _batch(mode, places, table)
        answers = [decide(batch, request) for request in requests]
        if batch.taken or batch.told:
            counters = [counter for counters in table for counter in counters]
            capped = batch.mode is Mode.ON
            ledger.hold(batch.taken, told=batch.told, counters=counters, capped=capped)
        batch.alarms.publish()
    return answers


def _batch(
    mode: Mode | None,
    places: dict[tuple[Layer, uuid.UUID], int],
    table: list[list[gate.Counter]],
) -> Batch:
    return Batch(
        mode=configured_mode() if mode is None else mode,
        near_cap_percent=_near_cap_percent(),
        places=places,
        table=table,
    )


def _check_window(layer: Layer, window: WindowKind) -> None:
    if window not in windows.WINDOWS_OF[layer]:
        having = ", ".join(windows.WINDOWS_OF[layer])
        raise errors.InvalidRequest.of(
            "window", f"The {layer} layer has no {window} window; it has: {having}."
        )


def _check_amount(amount: int) -> None:
    if not 0 <= amount <= money.MAX_MICROCREDITS:
        raise AmountError(f"{amount} micro-credits is outside 0 to {money.MAX_MICROCREDITS}.")


def _near_cap_percent() -> int:
    return int(getattr(settings, "GENIE_BUDGET_NEAR_CAP_PERCENT", NEAR_CAP_PERCENT))
