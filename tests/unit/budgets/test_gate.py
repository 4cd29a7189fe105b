"""The decision: the first blocking cap, the near one, the tightest."""

import pytest

from budgets import gate
from budgets.gate import Account, AlertKind, Counter, Decision, OnCapHit
from budgets.windows import Layer, WindowKind


def counter(
    cap: int | None,
    *,
    spent: int = 0,
    held: int = 0,
    layer: Layer = Layer.ORG,
    window: WindowKind = WindowKind.DAILY,
    period: str = "2026-11-20",
    on_cap_hit: OnCapHit = OnCapHit.BLOCK,
) -> Counter:
    return Counter(1, layer, window, period, spent, held, cap, on_cap_hit)


def of_application(cap: int | None, on_cap_hit: OnCapHit, **attributes: int) -> Counter:
    return counter(cap, layer=Layer.APPLICATION, on_cap_hit=on_cap_hit, **attributes)  # type: ignore[arg-type] # amounts


class TestJudge:
    @pytest.mark.parametrize(
        ("cap", "spent", "held", "amount", "decision"),
        [
            (None, 10**14, 10**14, 10**14, Decision.ALLOW),
            (100, 0, 0, 79, Decision.ALLOW),
            (100, 0, 0, 80, Decision.ALLOW_NEAR_CAP),
            (100, 40, 40, 0, Decision.ALLOW_NEAR_CAP),
            (100, 30, 60, 10, Decision.ALLOW_NEAR_CAP),
            (100, 30, 60, 11, Decision.REFUSE),
            (100, 100, 0, 0, Decision.ALLOW_NEAR_CAP),
            (100, 200, 0, 0, Decision.REFUSE),
            (2, 1, 0, 2, Decision.REFUSE),  # litellm issue 26845: never shrunk to the headroom
            (0, 0, 0, 0, Decision.REFUSE),
            (0, 0, 0, 1, Decision.REFUSE),
        ],
    )
    def test_compares_with_the_cap(
        self, cap: int | None, spent: int, held: int, amount: int, decision: Decision
    ) -> None:
        account = Account.of([counter(cap, spent=spent, held=held)])

        judged, _ = gate.judge(account, amount=amount, near_cap_percent=80)

        assert judged is decision

    def test_names_the_first_blocking_cap_in_walk_order(self) -> None:
        roomy = counter(100)
        first = counter(5, layer=Layer.APPLICATION, window=WindowKind.WEEKLY)
        tighter = counter(1, layer=Layer.USER)

        decision, named = gate.judge(
            Account.of([roomy, first, tighter]), amount=6, near_cap_percent=80
        )

        assert decision is Decision.REFUSE
        assert named is first

    def test_names_the_tightest_cap_of_an_allowance(self) -> None:
        roomy, tight = counter(100), counter(50, layer=Layer.USER)

        _, named = gate.judge(Account.of([roomy, tight]), amount=1, near_cap_percent=80)

        assert named is tight

    def test_names_no_cap_where_there_is_none(self) -> None:
        account = Account.of([counter(None)])

        assert gate.judge(account, amount=1, near_cap_percent=80) == (Decision.ALLOW, None)


@pytest.mark.parametrize("behaviour", [OnCapHit.NOTIFY_ONLY, OnCapHit.SOFT_WARN])
class TestJudgeWhereAnApplicationDoesNotBlock:
    @pytest.mark.parametrize(
        ("cap", "spent", "amount", "decision"),
        [
            (100, 0, 79, Decision.ALLOW),
            (100, 0, 80, Decision.ALLOW_NEAR_CAP),
            (100, 0, 101, Decision.ALLOW_NEAR_CAP),
            (100, 500, 0, Decision.ALLOW_NEAR_CAP),
            (0, 0, 0, Decision.ALLOW_NEAR_CAP),
            (0, 0, 1, Decision.ALLOW_NEAR_CAP),
            (None, 10**14, 10**14, Decision.ALLOW),
        ],
    )
    def test_allows_what_passes_its_cap(
        self, behaviour: OnCapHit, cap: int | None, spent: int, amount: int, decision: Decision
    ) -> None:
        account = Account.of([of_application(cap, behaviour, spent=spent)])

        judged, _ = gate.judge(account, amount=amount, near_cap_percent=80)

        assert judged is decision

    def test_names_the_cap_that_was_passed(self, behaviour: OnCapHit) -> None:
        roomy, passed = counter(100), of_application(1, behaviour)

        judged = gate.judge(Account.of([roomy, passed]), amount=2, near_cap_percent=80)

        assert judged == (Decision.ALLOW_NEAR_CAP, passed)

    @pytest.mark.parametrize("layer", [Layer.ORG, Layer.MEMBER, Layer.USER])
    def test_a_cap_of_another_layer_still_blocks(self, behaviour: OnCapHit, layer: Layer) -> None:
        passed, blocking = of_application(1, behaviour), counter(1, layer=layer)

        judged = gate.judge(Account.of([passed, blocking]), amount=2, near_cap_percent=80)

        assert judged == (Decision.REFUSE, blocking)


class TestAlarms:
    @pytest.mark.parametrize(
        ("cap", "spent", "amount", "behaviour", "kind"),
        [
            (100, 0, 79, OnCapHit.BLOCK, None),
            (100, 0, 80, OnCapHit.BLOCK, AlertKind.NEAR_CAP),
            (100, 60, 40, OnCapHit.BLOCK, AlertKind.NEAR_CAP),
            (100, 60, 40, OnCapHit.SOFT_WARN, AlertKind.NEAR_CAP),
            (100, 60, 41, OnCapHit.NOTIFY_ONLY, AlertKind.CAP_HIT),
            (100, 60, 41, OnCapHit.SOFT_WARN, AlertKind.CAP_HIT),
            (0, 0, 0, OnCapHit.SOFT_WARN, AlertKind.CAP_HIT),
            (None, 0, 10**14, OnCapHit.SOFT_WARN, None),
        ],
    )
    def test_of_an_allowance(
        self,
        cap: int | None,
        spent: int,
        amount: int,
        behaviour: OnCapHit,
        kind: AlertKind | None,
    ) -> None:
        account = Account.of([of_application(cap, behaviour, spent=spent)])
        decision, _ = gate.judge(account, amount=amount, near_cap_percent=80)

        found = gate.alarms(account, decision=decision, amount=amount, near_cap_percent=80)

        assert [one for one, _ in found] == ([kind] if kind else [])

    def test_of_an_allowance_are_all_caps_that_it_brings_near_or_passes(self) -> None:
        roomy, near = counter(1000), counter(100, window=WindowKind.MONTHLY)
        passed = of_application(10, OnCapHit.NOTIFY_ONLY)
        account = Account.of([roomy, near, passed])

        found = gate.alarms(
            account, decision=Decision.ALLOW_NEAR_CAP, amount=90, near_cap_percent=80
        )

        assert found == [(AlertKind.NEAR_CAP, near), (AlertKind.CAP_HIT, passed)]

    def test_of_a_refusal_are_the_caps_that_stood_in_its_way(self) -> None:
        near = counter(100, spent=95)
        passed = of_application(1, OnCapHit.NOTIFY_ONLY)
        first, second = counter(1, layer=Layer.MEMBER), counter(0, layer=Layer.USER)
        account = Account.of([near, passed, first, second])

        found = gate.alarms(account, decision=Decision.REFUSE, amount=2, near_cap_percent=80)

        assert found == [(AlertKind.CAP_HIT, first), (AlertKind.CAP_HIT, second)]


class TestRemaining:
    @pytest.mark.parametrize(
        ("caps", "left"),
        [
            ([], None),
            ([counter(None)], None),
            ([counter(100, spent=30, held=20)], 50),
            ([counter(100), counter(None), counter(7, spent=3)], 4),
            ([counter(100), of_application(10, OnCapHit.SOFT_WARN, spent=15)], 0),
        ],
    )
    def test_is_what_the_tightest_cap_has_left(self, caps: list[Counter], left: int | None) -> None:
        assert gate.remaining(Account.of(caps)) == left

    @pytest.mark.parametrize("behaviour", list(OnCapHit))
    def test_is_shown_where_an_application_warns(self, behaviour: OnCapHit) -> None:
        account = Account.of([counter(1), of_application(None, behaviour)])

        assert account.warns == (behaviour is OnCapHit.SOFT_WARN)


class TestMayFit:
    @pytest.mark.parametrize(
        ("caps", "amount", "fits"),
        [
            ([], 10**15, True),
            ([None], 10**15, True),
            ([10, 20], 10, True),
            ([20, 10], 11, False),
            ([0], 0, False),  # a cap of 0 allows nothing, not even a zero estimate
        ],
    )
    def test_compares_the_amount_with_every_cap_alone(
        self, caps: list[int | None], amount: int, *, fits: bool
    ) -> None:
        account = Account.of([counter(cap, spent=5, held=5) for cap in caps])

        assert gate.may_fit(account, amount=amount) is fits

    @pytest.mark.parametrize(
        ("caps", "most"), [([], None), ([None], None), ([20, None, 10], 10), ([20, 0], -1)]
    )
    def test_the_ceiling_is_the_least_cap(self, caps: list[int | None], most: int | None) -> None:
        assert gate.ceiling(Account.of([counter(cap, spent=5) for cap in caps])) == most

    def test_passes_over_a_cap_that_does_not_block(self) -> None:
        account = Account.of([counter(10), of_application(1, OnCapHit.SOFT_WARN)])

        assert gate.may_fit(account, amount=10)


class TestTake:
    def test_is_seen_by_the_next_request(self) -> None:
        account = Account.of([counter(10), counter(None)])

        gate.take(account, amount=6)

        assert [one.added for one in account.counters] == [6, 6]
        assert gate.judge(account, amount=6, near_cap_percent=80)[0] is Decision.REFUSE


class TestRefusal:
    def test_is_the_documented_body(self) -> None:
        org = counter(10_000_000, spent=1_500_000, held=250_000)
        unlimited = counter(None, window=WindowKind.MONTHLY)
        blocking = counter(
            1_000_000,
            spent=550,
            layer=Layer.APPLICATION,
            window=WindowKind.MONTHLY,
            period="2026-05",
        )
        total = counter(2_000_000, layer=Layer.MEMBER, window=WindowKind.TOTAL, period="total")
        account = Account.of([org, unlimited, blocking, total])

        error = gate.refusal(account, blocking=blocking, amount=1_000_000)

        assert error.http_status == 402
        assert error.body() == {
            "error": "Budget cap reached: application_monthly_cap",
            "code": "budget-cap-hit",
            "capLayer": "application",
            "capWindow": "monthly",
            "resetsAt": "2026-06-01T00:00:00.000Z",
            "layers": [
                {
                    "layer": "org", "window": "daily", "cap": 10, "spent": 1.5, "held": 0.25,
                    "requested": 1, "resetsAt": "2026-11-21T00:00:00.000Z",
                },
                {
                    "layer": "application", "window": "monthly", "cap": 1, "spent": 0.00055,
                    "held": 0, "requested": 1, "resetsAt": "2026-06-01T00:00:00.000Z",
                },
                {
                    "layer": "member", "window": "total", "cap": 2, "spent": 0, "held": 0,
                    "requested": 1,
                },
            ],
        }  # fmt: skip

    def test_has_no_reset_for_a_total_cap(self) -> None:
        blocking = counter(1, layer=Layer.MEMBER, window=WindowKind.TOTAL, period="total")

        error = gate.refusal(Account.of([blocking]), blocking=blocking, amount=2)

        assert "resetsAt" not in error.body()
