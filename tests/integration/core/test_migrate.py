"""``migrate`` waits for no lock longer than two seconds, and a statement of it may take its time."""

import threading
import time

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from genie.core.management.commands import migrate

pytestmark = pytest.mark.django_db(transaction=True)


def test_gives_up_soon_where_a_table_is_held() -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
            held.set()
            done.wait(20)
            cursor.execute("ROLLBACK")
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(10)
        began = time.monotonic()
        with pytest.raises(OperationalError, match="lock timeout"):
            call_command("migrate", verbosity=0)
        took_s = time.monotonic() - began
    finally:
        done.set()
        holder.join(10)

    assert migrate.LOCK_TIMEOUT_S - 0.2 < took_s < 2 * migrate.LOCK_TIMEOUT_S + 5
    connection.close()


def test_lets_a_statement_take_its_time() -> None:
    call_command("migrate", verbosity=0)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
        )
        assert cursor.fetchone() == ("0", "2s")
    connection.close()
