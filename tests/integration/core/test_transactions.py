"""The transaction words refuse where they do not belong."""

from collections.abc import Callable, Iterator

import pytest
from django.db import IntegrityError, connection

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


class TestPipelined:
    def test_answers_are_there_when_they_are_asked_for(self) -> None:
        with transactions.transaction(), transactions.pipelined(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute("SELECT 2")
            assert cursor.fetchone() == (2,)

    def test_what_it_writes_commits(self, table: str) -> None:
        _insert_all(table, 1, 2)

        assert _rows(table) == [1, 2]

    def test_a_check_waits_for_the_end_of_the_block(self) -> None:
        seen: list[str] = []

        with transactions.transaction():
            with transactions.pipelined():
                transactions.check_when_answered(lambda: seen.append("checked"))
                assert seen == []
            assert seen == ["checked"]

    def test_a_check_that_fails_undoes_everything(self, table: str) -> None:
        with pytest.raises(ValueError, match="wrong"):
            _insert_all(table, 1, check=_fail)

        assert _rows(table) == []

    def test_a_statement_that_fails_undoes_everything_and_is_named_as_usual(
        self, table: str
    ) -> None:
        with pytest.raises(IntegrityError, match="duplicate key"):
            _insert_all(table, 1, 1, 2)

        assert _rows(table) == []

    def test_the_connection_serves_on_after_a_failure(self, table: str) -> None:
        with pytest.raises(IntegrityError):
            _insert_all(table, 1, 1)

        _insert_all(table, 3)
        assert _rows(table) == [3]

    def test_outside_a_pipeline_a_check_runs_at_once(self) -> None:
        seen: list[str] = []

        transactions.check_when_answered(lambda: seen.append("checked"))

        assert seen == ["checked"]

    def test_what_is_wanted_later_is_there_at_the_end_of_the_block(self) -> None:
        with transactions.transaction():
            with transactions.pipelined():
                cursor = connection.cursor()
                cursor.execute("SELECT 7")
                later = transactions.Later(lambda: cursor.fetchone()[0])
                with pytest.raises(WrongTransaction):
                    _ = later.value
            assert later.value == 7

    def test_outside_a_pipeline_it_is_there_at_once(self) -> None:
        assert transactions.Later(lambda: 7).value == 7

    def test_needs_a_transaction_and_is_not_nested(self) -> None:
        with pytest.raises(WrongTransaction):
            transactions.pipelined().__enter__()
        with (
            transactions.transaction(),
            transactions.pipelined(),
            pytest.raises(WrongTransaction),
        ):
            transactions.pipelined().__enter__()


@pytest.fixture
def table() -> Iterator[str]:
    name = "pipelined_probe"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} (id int PRIMARY KEY)")
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")


def _insert_all(table: str, *numbers: int, check: Callable[[], None] = lambda: None) -> None:
    with transactions.transaction(), transactions.pipelined():
        transactions.check_when_answered(check)
        for number in numbers:
            _insert(table, number)


def _fail() -> None:
    raise ValueError("wrong")


def _insert(table: str, number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES (%s)", [number])  # noqa: S608 - a constant


def _rows(table: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {table} ORDER BY id")  # noqa: S608 - a constant
        return [row[0] for row in cursor.fetchall()]


def _fail_in_a_savepoint() -> None:
    _set("before")
    with transactions.savepoint():
        _set("within")
        raise ValueError("undo")


def _fail_after(effect: object) -> None:
    with transactions.transaction():
        transactions.run_after_commit(effect)  # type: ignore[arg-type] # a callable
        raise ValueError("undo")
