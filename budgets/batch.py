"""A batch of requests as the gate decides on them, one after another, and what came of it.

Locks and writes nothing: ``services`` gives it the counters and writes what it took.
"""

import dataclasses
import uuid
from collections.abc import Sequence

from budgets import alerts, gate, ledger, windows
from budgets.gate import Mode
from budgets.types import Balance, Behind, Held, HoldRequest, Payer, Refused
from budgets.windows import Layer


@dataclasses.dataclass(slots=True, kw_only=True)
class Batch:
    """The requests of one batch as they are decided one after another."""

    mode: Mode
    near_cap_percent: int
    places: dict[tuple[Layer, uuid.UUID], int]  # a subject's row in `table`
    table: list[list[gate.Counter]]
    accounts: dict[Payer, gate.Account] = dataclasses.field(default_factory=dict)
    taken: list[ledger.Taken] = dataclasses.field(default_factory=list)
    told: list[ledger.Told] = dataclasses.field(default_factory=list)
    alarms: alerts.Alarms = dataclasses.field(default_factory=alerts.Alarms)
    closed: dict[tuple[Layer, uuid.UUID], str] = dataclasses.field(default_factory=dict)

    def decide(self, request: HoldRequest) -> Held | Refused:
        """Decide on a request, and count what it takes for those behind it."""
        account = self.accounts.get(request.payer) or self._open(request.payer)
        amount = request.amount_microcredits
        if (counter := gate.full(account, amount=amount)) is not None:
            return self._refuse_at_the_end_of_numbers(request, account, counter)
        if self.mode is not Mode.OFF:
            decision, counter = gate.judge(
                account, amount=amount, near_cap_percent=self.near_cap_percent
            )
            self._tell(request, decision, counter)
            if decision is not gate.Decision.ALLOW and self.mode is Mode.ON:
                self._alarm(request, account, decision)
            if decision is gate.Decision.REFUSE and counter and self.mode is Mode.ON:
                return _refused(request, account, counter)
        gate.take(account, amount=amount)
        self.taken.append(ledger.Taken(request.reference, account, amount))
        if account.warns and self.mode is Mode.ON:
            return Held(reference=request.reference, remaining=gate.remaining(account))
        return Held(reference=request.reference)

    def decide_in_turn(self, request: HoldRequest) -> Held | Refused | Behind:
        """Decide on a request of a line; ``closed`` are the subjects at whose caps older ones wait."""
        subjects = request.payer.subjects()
        for subject in subjects:
            if (cap := self.closed.get(subject)) is not None:
                return Behind(reference=request.reference, cap=cap)
        answer = self.decide(request)
        if isinstance(answer, Refused):
            if self.mode is not Mode.OFF:
                self.told.pop()
            if not answer.may_fit:  # no room that anybody leaves will do: it waits for a raise
                return answer
            layer, _ = windows.cap_named(answer.cap)
            self.closed[layer, dict(subjects)[layer]] = answer.cap
        return answer

    def _refuse_at_the_end_of_numbers(
        self, request: HoldRequest, account: gate.Account, counter: gate.Counter
    ) -> Refused:
        """Refuse, in every mode: what cannot be counted cannot be held."""
        if self.mode is not Mode.OFF:
            self._tell(request, gate.Decision.REFUSE, counter)
        return _refused(request, account, counter)

    def _open(self, payer: Payer) -> gate.Account:
        rows = [self.table[self.places[subject]] for subject in payer.subjects()]
        account = gate.Account.of(counter for counters in rows for counter in counters)
        self.accounts[payer] = account
        return account

    def _alarm(self, request: HoldRequest, account: gate.Account, decision: gate.Decision) -> None:
        amount = request.amount_microcredits
        found = gate.alarms(
            account, decision=decision, amount=amount, near_cap_percent=self.near_cap_percent
        )
        self.alarms.add(request.payer, found, amount=amount)

    def _tell(
        self, request: HoldRequest, decision: gate.Decision, counter: gate.Counter | None
    ) -> None:
        spent, held = (counter.spent, counter.held) if counter else (0, 0)
        self.told.append(
            ledger.Told(
                decision,
                self.mode,
                request.reference,
                request.payer,
                request.amount_microcredits,
                counter,
                spent,
                held,
            )
        )


def _refused(request: HoldRequest, account: gate.Account, counter: gate.Counter) -> Refused:
    amount = request.amount_microcredits
    return Refused(
        reference=request.reference,
        error=gate.refusal(account, blocking=counter, amount=amount),
        cap=windows.cap_name(counter.layer, counter.window),
        may_fit=gate.may_fit(account, amount=amount),
        ceiling=gate.ceiling(account),
    )


def places_of(requests: Sequence[HoldRequest]) -> dict[tuple[Layer, uuid.UUID], int]:
    """Return every subject that pays for a request, and its row among the counters."""
    places: dict[tuple[Layer, uuid.UUID], int] = {}
    for payer in dict.fromkeys(request.payer for request in requests):
        for subject in payer.subjects():
            places.setdefault(subject, len(places))
    return places


def counter_of(balance: Balance) -> gate.Counter:
    """Return a balance as the gate judges it; a copy, of no row."""
    return gate.Counter(
        0,
        balance.layer,
        balance.window,
        balance.period,
        balance.spent,
        balance.held,
        balance.cap,
        balance.on_cap_hit,
    )
