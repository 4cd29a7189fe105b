"""Settlement: once, exactly, into the windows of admission."""

import datetime as dt
import logging
from collections.abc import Iterator

import pytest

from budgets import services, windows
from budgets.errors import AmountError, HoldNotOpenError
from budgets.models import Entry, Hold, Window
from budgets.types import Held, Payer, Settlement
from budgets.windows import Layer, WindowKind
from genie.core import metrics
from genie.core.ids import new_id
from genie.core.transactions import WrongTransaction, transaction
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def _clock() -> Iterator[None]:
    yield
    builders.set_clock(None)


class TestSettleMany:
    @pytest.mark.parametrize(
        ("actual", "entries"),
        [
            (10, [("hold", 10), ("settle", 10)]),
            (4, [("hold", 10), ("release", 6), ("settle", 4)]),
            (0, [("hold", 10), ("release", 10), ("settle", 0)]),
        ],
    )
    def test_charges_what_was_used_and_releases_the_rest(
        self, actual: int, entries: list[tuple[str, int]]
    ) -> None:
        # litellm issue 35568: a job that stops early pays for what it has done.
        payer = builders.new_payer()
        reference = builders.admitted(payer, 10)

        builders.settle(reference, actual)

        assert builders.counters(payer) == {(actual, 0)}
        assert Hold.objects.get(reference=reference).closed_at is not None
        written = Entry.objects.filter(reference=reference).values_list("kind", "amount")
        assert sorted(written) == entries

    def test_a_second_settlement_raises_and_changes_nothing(self) -> None:
        payer = builders.new_payer()
        reference = builders.admitted(payer, 10)
        builders.settle(reference, 4)

        with pytest.raises(HoldNotOpenError, match=str(reference)):
            builders.settle(reference, 4)

        assert builders.counters(payer) == {(4, 0)}

    def test_one_bad_reference_fails_the_whole_batch(self) -> None:
        payer = builders.new_payer()
        reference, stranger = builders.admitted(payer, 10), new_id()

        with pytest.raises(HoldNotOpenError) as caught, transaction():
            services.settle_many(
                [
                    Settlement(reference=reference, actual_microcredits=1),
                    Settlement(reference=stranger, actual_microcredits=1),
                ]
            )

        assert caught.value.references == (stranger,)
        assert builders.counters(payer) == {(0, 10)}

    def test_refuses_the_same_reference_twice_in_a_batch(self) -> None:
        payer = builders.new_payer()
        once = Settlement(reference=builders.admitted(payer, 10), actual_microcredits=1)

        with pytest.raises(HoldNotOpenError), transaction():
            services.settle_many([once, once])

        assert builders.counters(payer) == {(0, 10)}

    def test_settles_a_batch_of_many_payers(self) -> None:
        payers = [builders.new_payer() for _ in range(5)]
        requests = [builders.request(payer, 9) for payer in payers for _ in range(3)]
        builders.hold(*requests)

        with transaction():
            services.settle_many(
                [Settlement(reference=one.reference, actual_microcredits=2) for one in requests]
            )

        assert [builders.counters(payer) for payer in payers] == [{(6, 0)}] * 5

    def test_charges_at_most_the_hold_and_alarms(self, caplog: pytest.LogCaptureFixture) -> None:
        payer = builders.new_payer()
        reference = builders.admitted(payer, 10)
        before = metrics.budget_overrun._value.get()

        with caplog.at_level(logging.ERROR, logger="budgets"):
            builders.settle(reference, 11)

        assert builders.counters(payer) == {(10, 0)}
        assert metrics.budget_overrun._value.get() == before + 1
        assert str(reference) in caplog.text

    @pytest.mark.parametrize("actual", [-1, 10**15 + 1])
    def test_refuses_an_impossible_charge(self, actual: int) -> None:
        reference = builders.admitted(builders.new_payer(), 1)

        with pytest.raises(AmountError):
            builders.settle(reference, actual)

    @pytest.mark.django_db(transaction=True)
    def test_needs_a_transaction(self) -> None:
        with pytest.raises(WrongTransaction):
            services.settle_many([Settlement(reference=new_id(), actual_microcredits=0)])

    def test_of_nothing_does_nothing(self) -> None:
        services.settle_many([])

        assert not Entry.objects.exists()

    def test_a_million_charges_of_one_microcredit_are_exact_at_any_scale(self) -> None:
        # litellm issue 36592, in the ledger: sums of the smallest charge do not drift.
        payer = Payer(organization_id=new_id())
        requests = [builders.request(payer, 1) for _ in range(64)]
        builders.hold(*requests)
        Window.objects.update(spent=999_936)

        with transaction():
            services.settle_many(
                [Settlement(reference=one.reference, actual_microcredits=1) for one in requests]
            )

        assert builders.counters(payer) == {(1_000_000, 0)}


@pytest.mark.usefixtures("_clock")
class TestPeriods:
    @pytest.mark.parametrize(
        ("admitted_at", "settled_at"),
        [
            ("2026-11-20T23:59:59.900", "2026-11-21T00:00:00.000"),
            ("2026-11-30T23:59:00", "2026-12-01T00:00:01"),
            ("2028-02-28T23:59:00", "2028-02-29T00:00:01"),
            ("2028-02-29T12:00:00", "2028-03-01T12:00:00"),
            ("2026-12-31T23:59:00", "2027-01-01T00:00:01"),
            ("2020-12-31T12:00:00", "2021-01-04T12:00:00"),
            ("2027-01-01T00:00:30", "2026-12-31T23:59:00"),
        ],
    )
    def test_settles_into_the_windows_of_admission(self, admitted_at: str, settled_at: str) -> None:
        start = dt.datetime.fromisoformat(admitted_at).replace(tzinfo=dt.UTC)
        end = dt.datetime.fromisoformat(settled_at).replace(tzinfo=dt.UTC)
        payer = builders.new_payer()
        builders.set_clock(start - dt.timedelta(milliseconds=50))
        reference = builders.admitted(payer, 5)
        admitted = set(Window.objects.values_list("id", flat=True))
        periods = set(Window.objects.values_list("window", "period"))

        builders.set_clock(end)
        later = builders.admitted(payer, 2)  # so that there are windows of the later period
        builders.settle(reference, 3)

        assert periods == {
            (str(kind), windows.period_of(kind, start.date())) for kind in WindowKind
        }
        daily = Window.objects.get(
            layer="org", window="daily", period=windows.period_of(WindowKind.DAILY, end.date())
        )
        assert (daily.spent, daily.held) == (0, 2)
        total = Window.objects.get(layer="member", window="total")
        assert (total.spent, total.held) == (3, 2)
        assert set(Window.objects.filter(spent=3).values_list("id", flat=True)) == admitted
        builders.settle(later, 2)

    def test_a_new_period_starts_at_nothing(self) -> None:
        # litellm issues 29576, 36941: no counter is reset, so none can be stale.
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 5)
        builders.set_clock(dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC))
        builders.admitted(payer, 5)

        builders.set_clock(dt.datetime(2026, 11, 21, 0, 0, 1, tzinfo=dt.UTC))

        (answer,) = builders.hold(builders.request(payer, 5))
        assert isinstance(answer, Held)

    def test_stepping_back_over_midnight_counts_in_the_old_day_again(self) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 5)
        builders.set_clock(dt.datetime(2026, 11, 21, 0, 0, 5, tzinfo=dt.UTC))
        builders.admitted(payer, 5)

        builders.set_clock(dt.datetime(2026, 11, 20, 23, 59, 5, tzinfo=dt.UTC))
        builders.admitted(payer, 5)

        days = Window.objects.filter(layer="org", window="daily").values_list("period", "held")
        assert sorted(days) == [("2026-11-20", 5), ("2026-11-21", 5)]
