"""After a restart or a failover of PostgreSQL a process is well again with its next question."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import psycopg
import pytest
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections

from genie.core.coalesce import Coalescer, by_keys
from genie.core.postgresql import base

pytestmark = pytest.mark.django_db(transaction=True)


def in_threads(count: int, work: Callable[[threading.Barrier], None]) -> None:
    """Run the work that often at once; each gives its connection back at the end."""
    together = threading.Barrier(count)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work(together)
        except BaseException as error:
            failed.append(error)
            together.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(10)
    assert failed == []


def ask(together: threading.Barrier) -> None:
    assert answer("SELECT 1") == 1
    together.wait(5)  # so that no connection serves twice


def answer(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        (value,) = cursor.fetchone()
    return value


def test_no_connection_that_the_server_has_ended_is_met_by_anybody() -> None:
    in_threads(8, ask)
    connection.close()
    params = connection.get_connection_params()
    with psycopg.connect(**params | {"autocommit": True}) as other:
        ended = other.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        ).fetchone()
    assert ended is not None
    assert ended[0] >= 8

    began = time.monotonic()
    in_threads(8, ask)

    assert time.monotonic() - began < settings.DATABASES["default"]["OPTIONS"]["pool"]["timeout"]


def test_a_session_that_only_reads_is_not_used_again() -> None:
    before = answer("SELECT pg_backend_pid()")
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    connection.close()

    assert answer("SELECT current_setting('transaction_read_only')") == "off"
    assert answer("SELECT pg_backend_pid()") != before


class TestPlans:
    """A thread may have its statements planned once, and no other thread notices."""

    @pytest.fixture(autouse=True)
    def one_connection(self) -> Iterator[None]:
        """Let the pool have one connection, which all threads of a test take in turn."""
        connection.close()
        wrapper().close_pool()
        yield
        wrapper().close_pool()

    def test_a_coalescer_by_keys_has_them_kept(self) -> None:
        asked: Coalescer[str, str] = Coalescer(
            "plans", by_keys(lambda ones: list(map(answer, ones)))
        )

        assert asked.submit("SHOW plan_cache_mode").result(10) == "force_generic_plan"

        asked.close()

    def test_whoever_has_the_connection_next_does_not(self) -> None:
        seen: list[tuple[int, str]] = []

        def look(_: threading.Barrier) -> None:
            seen.append((answer("SELECT pg_backend_pid()"), answer("SHOW plan_cache_mode")))

        def keep(together: threading.Barrier) -> None:
            wrapper().keep_plans()
            look(together)

        in_threads(1, keep)
        in_threads(1, look)

        (first, kept), (second, left) = seen
        assert first == second
        assert (kept, left) == ("force_generic_plan", "auto")

    def test_a_plan_for_an_empty_table_is_not_kept_for_long(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(base, "_PLANS_LAST_S", 60.0)
        plans: list[str] = []

        def fill(_: threading.Barrier) -> None:
            wrapper().keep_plans()
            with connection.cursor() as cursor:
                cursor.execute("CREATE TEMPORARY TABLE filled (id int PRIMARY KEY)")
                cursor.execute("PREPARE find(int[]) AS SELECT FROM filled WHERE id = ANY($1)")
            plans.append(answer("EXPLAIN EXECUTE find('{1,2}')"))
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO filled SELECT generate_series(1, 20000)")
            wrapper().keep_plans()
            plans.append(answer("EXPLAIN EXECUTE find('{1,2}')"))
            monkeypatch.setattr(base, "_PLANS_LAST_S", -1.0)
            wrapper().keep_plans()
            plans.append(answer("EXPLAIN EXECUTE find('{1,2}')"))

        in_threads(1, fill)

        first, second, third = plans
        assert second == first
        assert third != first


def wrapper() -> base.DatabaseWrapper:
    return cast(base.DatabaseWrapper, connections[DEFAULT_DB_ALIAS])
