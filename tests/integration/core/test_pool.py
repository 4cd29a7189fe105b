"""After a restart or a failover of PostgreSQL a process is well again with its next question."""

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

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
