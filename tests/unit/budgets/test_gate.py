"""The decision: the first blocking cap, the near one, the tightest."""

import pytest

from budgets import gate
from budgets.gate import Account, Counter, Decision
from budgets.windows import Layer, WindowKind


def counter(
    cap: int | None,
    *,
    spent: int = 0,
    held: int = 0,
    layer: Layer = Layer.ORG,
    window: WindowKind = WindowKind.DAILY,
    period: str = "2026-11-20",
) -> Counter:
    return Counter(1, layer, window, period, spent, held, cap)


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
