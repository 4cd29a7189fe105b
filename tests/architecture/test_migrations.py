"""A new migration runs beside a system that serves: nothing in it holds a lock while it reads a table.

Those of before the first release are as they are: no table had a row when they ran.
"""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.postgres import operations as postgres
from django.db import migrations, models

ROOT = Path(__file__).resolve().parents[2]
APPS = {
    "jobs": "jobs",
    "budgets": "budgets",
    "webhooks": "webhooks",
    "core": "genie/core",
    "tenants": "genie/tenants",
}
# The last of each app that was written for empty tables.
BASELINE = {
    "jobs": "0020_batches_are_fed",
    "budgets": "0005_hold_parts",
    "webhooks": "0003_event_expires",
    "core": "0001_initial",
    "tenants": "0002_application_alert_webhook",
}
# What takes a lock for a moment, or one that lets others read and write.
SAFE: tuple[type[Any], ...] = (
    migrations.CreateModel,
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
    postgres.AddIndexConcurrently,
    postgres.RemoveIndexConcurrently,
    postgres.AddConstraintNotValid,
    postgres.ValidateConstraint,
)
# Functions, triggers that call them, and tables that nothing reads any more: catalogue rows alone.
_SAFE_SQL = re.compile(
    r"\s*(?:CREATE OR REPLACE (?:FUNCTION|TRIGGER)|DROP (?:FUNCTION|TRIGGER|TABLE) IF EXISTS|COMMENT ON)",
    re.IGNORECASE,
)


def new_migrations() -> Iterator[tuple[str, Any]]:
    for app, place in APPS.items():
        for path in sorted((ROOT / place / "migrations").glob("0*.py")):
            if path.stem > BASELINE[app]:
                module = f"{place.replace('/', '.')}.migrations.{path.stem}"
                yield f"{app}.{path.stem}", importlib.import_module(module).Migration


def problem(operation: Any) -> str | None:
    """Return why an operation could hold up whoever uses its table, or None."""
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        return next(filter(None, map(problem, operation.database_operations)), None)
    if isinstance(operation, SAFE):
        return None
    if isinstance(operation, migrations.AddField):
        field = operation.field
        return None if field.null or field.has_db_default() else "a column without a default"
    if isinstance(operation, migrations.RunSQL):
        parts = operation.sql if isinstance(operation.sql, list | tuple) else [operation.sql]
        unsafe = [one for one in parts if not _SAFE_SQL.match(str(one))]
        return "SQL that is not known to be quick" if unsafe else None
    return f"{type(operation).__name__}"


@pytest.mark.parametrize(("name", "migration"), list(new_migrations()))
def test_a_new_migration_holds_nobody_up(name: str, migration: Any) -> None:
    assert [found for one in migration.operations if (found := problem(one))] == []


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddIndex("job", models.Index(fields=["x"], name="x")),
        migrations.AlterField("job", "x", models.IntegerField()),
        migrations.AddField("job", "x", models.IntegerField()),
        migrations.AddConstraint("job", models.CheckConstraint(condition=models.Q(), name="x")),
        migrations.RunSQL("UPDATE jobs_job SET x = 1"),
        migrations.RunSQL(["CREATE OR REPLACE FUNCTION f()", "ALTER TABLE jobs_job ADD x int"]),
        migrations.RunPython(lambda apps, schema_editor: None),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_could_is_told(operation: Any) -> None:
    assert problem(operation) is not None
