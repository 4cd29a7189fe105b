"""The one clock: it stands still within a statement, and only tests move it."""

from typing import Any

import pytest
from django.db import connection

from tests import builders

pytestmark = pytest.mark.django_db


def ask(sql: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql}")
        return tuple(cursor.fetchone())


class TestGenieNow:
    def test_is_the_time_of_the_statement(self) -> None:
        ours, statement = ask("genie_now(), statement_timestamp()")

        assert ours == statement

    def test_is_one_moment_within_a_statement(self) -> None:
        before, after, _ = ask("genie_now(), genie_now(), pg_sleep(0.001)")

        assert before == after

    def test_goes_on_within_a_transaction(self) -> None:
        (before,) = ask("genie_now()")
        (after,) = ask("genie_now()")

        assert before < after

    @pytest.mark.parametrize("offset", ["2 hours", "-1 day", "0.5 seconds"])
    def test_is_moved_for_one_session(self, offset: str) -> None:
        with builders.later(offset):
            (apart,) = ask(f"genie_now() - statement_timestamp() = interval '{offset}'")
        (together,) = ask("genie_now() = statement_timestamp()")

        assert (apart, together) == (True, True)
