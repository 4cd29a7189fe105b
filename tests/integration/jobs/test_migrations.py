"""Migrations say what the models say, and each can be undone and done again."""

import io

import pytest
from django.core.management import call_command
from django.db import connection

from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_models_have_no_change_without_a_migration() -> None:
    call_command("makemigrations", "--check", "--dry-run", stdout=io.StringIO())


def test_the_guards_can_be_taken_away_and_put_back() -> None:
    _migrate("jobs", "0001")
    assert not _has_guard()

    _migrate("jobs")
    assert _has_guard()


def test_the_whole_app_can_be_taken_away_and_put_back() -> None:
    _migrate("jobs", "zero")
    assert "jobs_job" not in connection.introspection.table_names()

    _migrate("jobs")
    assert builders.make_job().state == "queued"


def _migrate(app: str, *target: str) -> None:
    call_command("migrate", app, *target, verbosity=0)  # without a target: to the newest


def _has_guard() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgname = 'jobs_guard_job'")
        return bool(cursor.fetchone()[0])
