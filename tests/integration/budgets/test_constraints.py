"""The last wall: CHECKs, uniqueness and triggers, tested around the ORM."""

from typing import Any

import pytest
from django.db import DatabaseError, connection

from budgets.windows import Layer, WindowKind
from genie.core.ids import new_id
from tests.integration.budgets import builders

pytestmark = pytest.mark.django_db

SUBJECT = str(new_id())
INSERT_CAP = (
    'INSERT INTO budgets_cap (layer, subject_id, "window", cap_microcredits, updated_at) '
    "VALUES (%s, %s, %s, %s, now())"
)
INSERT_RAISED = (
    'INSERT INTO budgets_cap (layer, subject_id, "window", cap_microcredits, raised_microcredits, '
    "raised_until, updated_at) VALUES ('org', %s, 'daily', %s, %s, %s, now())"
)
INSERT_BEHAVIOUR = (
    'INSERT INTO budgets_cap (layer, subject_id, "window", on_cap_hit, updated_at) '
    "VALUES (%s, %s, 'daily', %s, now())"
)
INSERT_ALERT = (
    'INSERT INTO budgets_alert (kind, application_id, layer, subject_id, "window", period, at) '
    "VALUES (%s, %s, %s, %s, %s, '2026-11-20', now())"
)
INSERT_WINDOW = (
    'INSERT INTO budgets_window (layer, subject_id, "window", period, spent, held) '
    "VALUES ('org', %s, 'daily', '2026-11-20', %s, %s)"
)
INSERT_ENTRY = (
    "INSERT INTO budgets_entry (kind, reference, amount, window_ids, reason, at) "
    "VALUES (%s, %s, %s, %s::bigint[], %s, now())"
)


def execute(sql: str, *parameters: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


class TestCap:
    @pytest.mark.parametrize(
        ("layer", "window"),
        [
            ("org", "weekly"), ("org", "total"), ("user", "weekly"), ("user", "monthly"),
            ("user", "total"), ("team", "daily"), ("application", "yearly"),
        ],
    )  # fmt: skip
    def test_refuses_a_window_that_the_layer_does_not_have(self, layer: str, window: str) -> None:
        with pytest.raises(DatabaseError, match="budgets_cap_layer_has_window"):
            execute(INSERT_CAP, layer, SUBJECT, window, 1)

    @pytest.mark.parametrize("amount", ["'NaN'::numeric", "'NaN'::float8", "'Infinity'::numeric"])
    def test_cannot_be_nan_or_infinite(self, amount: str) -> None:
        sql = INSERT_CAP.replace("%s, now()", f"{amount}, now()")

        with pytest.raises(DatabaseError, match=r"out of range|cannot convert"):
            execute(sql, "org", SUBJECT, "daily")

    @pytest.mark.parametrize("amount", [-1, 10**15 + 1])
    def test_cannot_be_negative_or_immense(self, amount: int) -> None:
        with pytest.raises(DatabaseError, match="budgets_cap_in_range"):
            execute(INSERT_CAP, "org", SUBJECT, "daily", amount)

    def test_is_one_for_each_subject_and_window(self) -> None:
        execute(INSERT_CAP, "org", SUBJECT, "daily", 1)

        with pytest.raises(DatabaseError, match="budgets_cap_one"):
            execute(INSERT_CAP, "org", SUBJECT, "daily", 2)

    @pytest.mark.parametrize(
        ("cap", "raised", "until"),
        [
            (10, 20, None),
            (10, None, "2026-12-01"),
            (None, 20, "2026-12-01"),
            (10, 10, "2026-12-01"),
            (10, 9, "2026-12-01"),
            (10, 10**15 + 1, "2026-12-01"),
        ],
    )
    def test_is_raised_above_itself_and_with_an_end(
        self, cap: int | None, raised: int | None, until: str | None
    ) -> None:
        with pytest.raises(DatabaseError, match="budgets_cap_raise_above_cap"):
            execute(INSERT_RAISED, SUBJECT, cap, raised, until)

    @pytest.mark.parametrize(
        ("layer", "behaviour"),
        [
            ("org", "notify-only"), ("org", "soft-warn"), ("member", "notify-only"),
            ("user", "soft-warn"), ("application", "allow"), ("application", ""), ("org", "allow"),
        ],
    )  # fmt: skip
    def test_blocks_unless_it_is_an_application_s(self, layer: str, behaviour: str) -> None:
        with pytest.raises(DatabaseError, match="budgets_cap_only_applications_do_not_block"):
            execute(INSERT_BEHAVIOUR, layer, SUBJECT, behaviour)

    @pytest.mark.parametrize("behaviour", ["block", "notify-only", "soft-warn"])
    def test_of_an_application_may_do_each_of_three(self, behaviour: str) -> None:
        assert execute(INSERT_BEHAVIOUR, "application", SUBJECT, behaviour) == 1

    def test_blocks_where_nothing_else_is_written(self) -> None:
        execute(INSERT_CAP, "application", SUBJECT, "daily", 1)

        assert execute("SELECT FROM budgets_cap WHERE on_cap_hit = 'block'") == 1

    @pytest.mark.parametrize(
        "change",
        ["layer = 'member'", "subject_id = gen_random_uuid()", "\"window\" = 'monthly'"],
    )
    def test_stays_that_of_its_subject_and_window(self, change: str) -> None:
        execute(INSERT_CAP, "application", SUBJECT, "daily", 1)

        with pytest.raises(DatabaseError, match="stays the cap of its subject"):
            execute(f"UPDATE budgets_cap SET {change}")  # noqa: S608 - a constant of this test


class TestAlert:
    @pytest.mark.parametrize(
        ("kind", "layer", "window", "constraint"),
        [
            ("far-from-cap", "org", "daily", "budgets_alert_kind"),
            ("near-cap", "org", "weekly", "budgets_alert_layer_has_window"),
            ("near-cap", "team", "daily", "budgets_alert_layer_has_window"),
        ],
    )
    def test_is_of_a_known_kind_and_cap(
        self, kind: str, layer: str, window: str, constraint: str
    ) -> None:
        with pytest.raises(DatabaseError, match=constraint):
            execute(INSERT_ALERT, kind, SUBJECT, layer, SUBJECT, window)

    def test_is_one_for_each_application_cap_period_and_kind(self) -> None:
        for kind in ("near-cap", "cap-hit"):
            execute(INSERT_ALERT, kind, SUBJECT, "org", SUBJECT, "daily")

        with pytest.raises(DatabaseError, match="budgets_alert_once"):
            execute(INSERT_ALERT, "near-cap", SUBJECT, "org", SUBJECT, "daily")


class TestWindow:
    @pytest.mark.parametrize(("spent", "held"), [(-1, 0), (0, -1)])
    def test_is_never_negative(self, spent: int, held: int) -> None:
        with pytest.raises(DatabaseError, match="not_negative"):
            execute(INSERT_WINDOW, SUBJECT, spent, held)

    @pytest.mark.parametrize(
        ("window", "period"),
        [
            ("daily", "2026-11"), ("daily", "2026-13-01"), ("daily", "total"),
            ("daily", "2026-11-20 "), ("weekly", "2026-11-20"), ("weekly", "2026-W7"),
            ("monthly", "2026-W47"), ("monthly", "2026-00"), ("total", "2026"), ("total", ""),
        ],
    )  # fmt: skip
    def test_has_a_period_of_its_kind(self, window: str, period: str) -> None:
        with pytest.raises(DatabaseError, match="budgets_window_period_of_its_kind"):
            execute(
                'INSERT INTO budgets_window (layer, subject_id, "window", period, spent, held) '
                "VALUES ('application', %s, %s, %s, 0, 0)",
                *(SUBJECT, window, period),
            )

    @pytest.mark.parametrize(("spent", "held"), [(4 * 10**18 + 1, 0), (0, 4 * 10**18 + 1)])
    def test_cannot_come_near_the_end_of_its_type(self, spent: int, held: int) -> None:
        with pytest.raises(DatabaseError, match="budgets_window_in_range"):
            execute(INSERT_WINDOW, SUBJECT, spent, held)

    def test_is_one_for_each_period(self) -> None:
        execute(INSERT_WINDOW, SUBJECT, 0, 0)

        with pytest.raises(DatabaseError, match="budgets_window_one"):
            execute(INSERT_WINDOW, SUBJECT, 0, 0)


class TestEntry:
    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE budgets_entry SET amount = 0",
            "UPDATE budgets_entry SET amount = amount",
            "DELETE FROM budgets_entry",
            "TRUNCATE budgets_entry",
        ],
    )
    def test_is_append_only(self, sql: str) -> None:
        builders.admitted(builders.new_payer(), 5)

        with pytest.raises(DatabaseError, match="append-only"):
            execute(sql)

    @pytest.mark.parametrize("kind", ["hold", "settle", "release"])
    def test_moves_once_for_each_reference_and_kind(self, kind: str) -> None:
        reference = str(new_id())
        windows = [1] if kind == "hold" else None
        execute(INSERT_ENTRY, kind, reference, 1, windows, None)

        with pytest.raises(DatabaseError, match="budgets_entry_once"):
            execute(INSERT_ENTRY, kind, reference, 1, windows, None)

    @pytest.mark.parametrize(
        ("kind", "amount", "windows", "reason", "constraint"),
        [
            ("refund", 1, [1], None, "budgets_entry_"),
            ("hold", -1, [1], None, "amount_not_negative"),
            ("settle", -1, None, None, "amount_not_negative"),
            ("hold", 1, None, None, "names_windows"),
            ("settle", 1, [1], None, "names_windows"),
            ("adjust", 1, [1], None, "adjust_has_reason"),
            ("settle", 1, None, "why", "adjust_has_reason"),
        ],
    )
    def test_refuses_what_is_no_movement(
        self, kind: str, amount: int, windows: Any, reason: str | None, constraint: str
    ) -> None:
        with pytest.raises(DatabaseError, match=constraint):
            execute(INSERT_ENTRY, kind, str(new_id()), amount, windows, reason)

    def test_may_adjust_one_reference_more_than_once(self) -> None:
        reference = str(new_id())

        written = [
            execute(INSERT_ENTRY, "adjust", reference, amount, [1], "refund") for amount in (5, -5)
        ]

        assert written == [1, 1]

    @pytest.mark.parametrize("kind", ["hold", "adjust"])
    def test_names_at_least_one_window(self, kind: str) -> None:
        with pytest.raises(DatabaseError, match="budgets_entry_names_a_window"):
            execute(INSERT_ENTRY, kind, str(new_id()), 1, [], "why" if kind == "adjust" else None)

    @pytest.mark.parametrize("reason", ["", " ", "\n\t "])
    def test_adjusts_for_a_reason_that_says_something(self, reason: str) -> None:
        with pytest.raises(DatabaseError, match="budgets_entry_reason_says_something"):
            execute(INSERT_ENTRY, "adjust", str(new_id()), 1, [1], reason)


class TestBudgetEvent:
    def test_never_changes(self) -> None:
        builders.admitted(builders.new_payer(), 5)

        with pytest.raises(DatabaseError, match="never changes"):
            execute("UPDATE budgets_budgetevent SET decision = 'refuse'")

    def test_may_expire(self) -> None:
        builders.admitted(builders.new_payer(), 5)

        assert execute("DELETE FROM budgets_budgetevent") == 1


class TestTruncate:
    @pytest.mark.parametrize(
        "sql",
        [
            "TRUNCATE budgets_capchange",
            "TRUNCATE budgets_cap CASCADE",
            "TRUNCATE budgets_hold",
            "TRUNCATE budgets_budgetevent",
        ],
    )
    def test_empties_no_table_of_money(self, sql: str) -> None:
        payer = builders.new_payer()
        builders.cap(Layer.ORG, payer.organization_id, WindowKind.DAILY, 9)
        builders.admitted(payer, 5)
        execute("SET CONSTRAINTS ALL IMMEDIATE")

        with pytest.raises(DatabaseError, match="never emptied"):
            execute(sql)

    def test_does_not_take_a_history_with_its_cap(self) -> None:
        execute(INSERT_CAP, "org", SUBJECT, "daily", 1)
        execute("SET CONSTRAINTS ALL IMMEDIATE")
        execute("ALTER TABLE budgets_cap DISABLE TRIGGER USER")

        with pytest.raises(DatabaseError, match="budgets_capchange is never emptied"):
            execute("TRUNCATE budgets_cap CASCADE")


class TestHold:
    def test_names_at_least_one_window(self) -> None:
        with pytest.raises(DatabaseError, match="budgets_hold_names_a_window"):
            execute(
                "INSERT INTO budgets_hold (reference, amount, window_ids, opened_at) "
                "VALUES (%s, 1, '{}', now())",
                str(new_id()),
            )

    def test_is_not_deleted_while_it_is_open(self) -> None:
        reference = builders.admitted(builders.new_payer(), 5)

        with pytest.raises(DatabaseError, match="an open hold is not deleted"):
            execute("DELETE FROM budgets_hold WHERE reference = %s", reference)

    def test_may_be_deleted_once_it_is_closed(self) -> None:
        reference = builders.admitted(builders.new_payer(), 5)
        builders.settle(reference, 5)

        assert execute("DELETE FROM budgets_hold WHERE reference = %s", reference) == 1

    @pytest.mark.parametrize(
        "change",
        [
            "amount = amount + 1",
            "window_ids = '{}'",
            "closed_at = now(), amount = 0",
            "reference = gen_random_uuid()",
            "closed_at = now(), parted = 1",
        ],
    )
    def test_only_ever_closes(self, change: str) -> None:
        reference = builders.admitted(builders.new_payer(), 5)

        with pytest.raises(DatabaseError, match="only closes"):
            execute(f"UPDATE budgets_hold SET {change} WHERE reference = %s", reference)  # noqa: S608 - as above

    @pytest.mark.parametrize(("parts", "refusal"), [(2, "only closes"), (6, "parts_within_amount")])
    def test_parts_are_not_taken_back_and_no_more_than_it_has(
        self, parts: int, refusal: str
    ) -> None:
        reference = builders.admitted(builders.new_payer(), 5)
        execute("UPDATE budgets_hold SET parted = 3 WHERE reference = %s", reference)

        with pytest.raises(DatabaseError, match=refusal):
            execute("UPDATE budgets_hold SET parted = %s WHERE reference = %s", parts, reference)

    def test_closes_once(self) -> None:
        reference = builders.admitted(builders.new_payer(), 5)
        builders.settle(reference, 5)

        with pytest.raises(DatabaseError, match="only closes"):
            execute("UPDATE budgets_hold SET closed_at = now() WHERE reference = %s", reference)
