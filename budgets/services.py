"""The use cases of money: hold, settle, foresee, read balances, forget, prove the ledger.

Budgets fail closed: whatever is unknown here raises, and the caller's transaction rolls back.
"""

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from django.conf import settings
from django.db import connection

from budgets import alerts, drift, gate, ledger, money, selectors
from budgets.batch import Batch, counter_of, places_of
from budgets.errors import AmountError, HoldNotOpenError
from budgets.gate import Mode
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
from budgets.windows import Layer
from genie.core import metrics
from genie.core.transactions import check_when_answered, transaction, transaction_required

AnswerT = TypeVar("AnswerT")

NEAR_CAP_PERCENT = 80  # of a cap, after this request; GENIE_BUDGET_NEAR_CAP_PERCENT replaces it

logger = logging.getLogger(__name__)


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


def hold_some(
    requests: Sequence[HoldRequest],
    *,
    skip: Callable[[int, Sequence[Held | Refused | None]], bool],
    behind: Callable[[], None] = lambda: None,
    mode: Mode | None = None,
) -> list[Held | Refused | None]:
    """As ``hold_many``, but leave out what an earlier answer makes needless; its answer is None.

    ``skip`` is asked before each decision, with the request's place and the answers before it. What
    is left out holds nothing and writes no event. ``behind`` sends statements that are to run once
    the windows are locked; it may be called twice, and then the second time counts.

    Raises:
        AmountError, LedgerError, IntegrityError: As ``hold_many``.
    """
    answers: list[Held | Refused | None] = []

    def decide(batch: Batch, request: HoldRequest) -> Held | Refused | None:
        answer = None if skip(len(answers), answers) else batch.decide(request)
        answers.append(answer)
        return answer

    return _hold(requests, mode, decide, behind)


def hold_in_turn(
    requests: Sequence[HoldRequest], *, mode: Mode | None = None
) -> list[Held | Refused | Behind]:
    """Hold what is allowed of a line of waiting requests, oldest first, none past an older one.

    As ``hold_many``, but a refusal closes the subject whose cap it met: every later request that
    the subject pays for too is Behind it. One that no longer may fit closes nothing, since what it
    waits for is a raise and not its turn. A refusal writes no event: each of these was refused, and
    that was recorded, when its line began.

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


def part(source: uuid.UUID, shares: Sequence[HoldRequest], *, mode: Mode | None = None) -> None:
    """Let shares of an open hold become holds of their own, on the windows of its admission.

    Nothing is decided, since their sum was; each is recorded as allowed. The counters stay what they
    are and are not locked: this may follow or precede a ``hold_many`` in a transaction.

    Raises:
        HoldNotOpenError: The hold is closed, was never taken, or has less left than the shares.
        AmountError: A share is negative or beyond ``money.MAX_MICROCREDITS``.
    """
    if not shares:
        return
    for one in shares:
        _check_amount(one.amount_microcredits)
    decided_in = configured_mode() if mode is None else mode
    told = [
        ledger.Told(
            decision=gate.Decision.ALLOW,
            mode=decided_in,
            reference=one.reference,
            payer=one.payer,
            requested=one.amount_microcredits,
            counter=None,
            spent=0,
            held=0,
        )
        for one in shares
    ]
    ledger.part(
        source,
        [(one.reference, one.amount_microcredits) for one in shares],
        told=told if decided_in is not Mode.OFF else [],
    )


def settle_many(settlements: Sequence[Settlement]) -> None:
    """Close each hold once: charge the windows of its admission, release what is left.

    Runs in the caller's transaction, which also writes the terminal states; in a pipeline what is
    wrong is raised at its end. A charge above its hold
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
    over = ledger.settle(list(charges.items()))

    def alarm() -> None:
        for reference in over.value:
            metrics.budget_overrun.inc()
            logger.error(
                "job %s asked for %d micro-credits, more than its hold: charged the hold",
                reference,
                charges[reference],
            )

    check_when_answered(alarm)


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
    behind: Callable[[], None] = lambda: None,
) -> list[AnswerT]:
    """Lock the windows of all requests once, decide on each in order, and write what came of it."""
    if not requests:
        return []
    for request in requests:
        _check_amount(request.amount_microcredits)
    with transaction_required():
        places = places_of(requests)
        table = ledger.lock(list(places), behind=behind)
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


def _check_amount(amount: int) -> None:
    if not 0 <= amount <= money.MAX_MICROCREDITS:
        raise AmountError(f"{amount} micro-credits is outside 0 to {money.MAX_MICROCREDITS}.")


def _near_cap_percent() -> int:
    return int(getattr(settings, "GENIE_BUDGET_NEAR_CAP_PERCENT", NEAR_CAP_PERCENT))
