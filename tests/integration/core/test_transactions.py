"""The transaction words refuse where they do not belong."""

import pytest
from django.db import connection

from genie.core import transactions
from genie.core.transactions import WrongTransaction

pytestmark = pytest.mark.django_db(transaction=True)


class TestWords:
    def test_transaction_owns_one(self) -> None:
        with transactions.transaction():
            assert connection.in_atomic_block
        assert not connection.in_atomic_block

    def test_transaction_is_never_nested(self) -> None:
        with transactions.transaction(), pytest.raises(RuntimeError, match="durable"):
            transactions.transaction().__enter__()

    def test_required_needs_one(self) -> None:
        with pytest.raises(WrongTransaction):
            transactions.transaction_required().__enter__()
        with transactions.transaction(), transactions.transaction_required():
            assert connection.in_atomic_block

    def test_durable_forbids_one(self) -> None:
        with transactions.durable():
            assert not connection.in_atomic_block
        with transactions.transaction(), pytest.raises(WrongTransaction):
            transactions.durable().__enter__()

    def test_savepoint_rolls_back_alone(self) -> None:
        with transactions.transaction():
            with pytest.raises(ValueError, match="undo"):
                _fail_in_a_savepoint()
            assert _value() == "before"

    def test_savepoint_needs_a_transaction(self) -> None:
        with pytest.raises(WrongTransaction):
            transactions.savepoint().__enter__()


class TestAfterCommit:
    def test_runs_once_the_transaction_has_committed(self) -> None:
        done: list[bool] = []

        with transactions.transaction():
            transactions.run_after_commit(lambda: done.append(connection.in_atomic_block))
            assert done == []

        assert done == [False]

    def test_does_not_run_after_a_rollback(self) -> None:
        done: list[str] = []

        with pytest.raises(ValueError, match="undo"):
            _fail_after(lambda: done.append("ran"))

        assert done == []

    def test_runs_at_once_outside_a_transaction(self) -> None:
        done: list[str] = []

        transactions.run_after_commit(lambda: done.append("ran"))

        assert done == ["ran"]

    def test_an_effect_that_fails_hides_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        done: list[str] = []

        with transactions.transaction():
            transactions.run_after_commit(lambda: 1 / 0)
            transactions.run_after_commit(lambda: done.append("ran"))

        assert done == ["ran"]
        assert "division by zero" in caplog.text


def _set(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('genie.test', %s, true)", [value])


def _value() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('genie.test')")
        return str(cursor.fetchone()[0])


def _fail_in_a_savepoint() -> None:
    _set("before")
    with transactions.savepoint():
        _set("within")
        raise ValueError("undo")


def _fail_after(effect: object) -> None:
    with transactions.transaction():
        transactions.run_after_commit(effect)  # type: ignore[arg-type] # a callable
        raise ValueError("undo")
