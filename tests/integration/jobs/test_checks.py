"""A PostgreSQL that would lose accepted work is refused."""

import io

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection

from jobs import checks

pytestmark = pytest.mark.django_db


class TestDurability:
    def test_of_a_sound_server_passes(self) -> None:
        assert checks.check_durability(databases=["default"]) == []

    def test_is_not_asked_where_no_database_is(self) -> None:
        assert checks.check_durability(databases=None) == []

    def test_that_was_switched_off_stops_the_start(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")

        (found,) = checks.check_durability(databases=["default"])

        assert found.id == "jobs.E006"
        assert "synchronous_commit off" in found.msg
        with pytest.raises(SystemCheckError, match="synchronous_commit off"):
            call_command("check", "--database", "default", stderr=io.StringIO())

    @pytest.mark.parametrize("level", ["local", "remote_write", "remote_apply"])
    def test_at_any_other_level_passes(self, level: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL synchronous_commit = {level}")

        assert checks.check_durability(databases=["default"]) == []
