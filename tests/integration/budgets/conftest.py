"""Lets the flush between tests empty the tables that refuse it, and nothing else."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db.backends.postgresql.operations import DatabaseOperations

from tests.integration.tenants.conftest import acme, signed_in, stranger

__all__ = ["acme", "signed_in", "stranger"]

KEPT = ("cap", "capchange", "hold", "entry", "budgetevent")
_flush = DatabaseOperations.execute_sql_flush


@pytest.fixture(scope="session", autouse=True)
def flush_passes_the_append_only_trigger() -> Iterator[None]:
    """Disable the triggers of money's tables within the transaction of each flush."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", _flush_without_triggers)
        yield


def _flush_without_triggers(operations: DatabaseOperations, sql_list: Sequence[str]) -> Any:
    return _flush(
        operations,
        [
            *(f"ALTER TABLE budgets_{table} DISABLE TRIGGER USER" for table in KEPT),
            *sql_list,
            *(f"ALTER TABLE budgets_{table} ENABLE TRIGGER USER" for table in KEPT),
        ],
    )
