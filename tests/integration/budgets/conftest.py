"""Lets the flush between tests empty the append-only table, and nothing else."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db.backends.postgresql.operations import DatabaseOperations

from tests.integration.tenants.conftest import acme, signed_in, stranger

__all__ = ["acme", "signed_in", "stranger"]

_flush = DatabaseOperations.execute_sql_flush


@pytest.fixture(scope="session", autouse=True)
def flush_passes_the_append_only_trigger() -> Iterator[None]:
    """Disable the triggers of the entries within the transaction of each flush."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", _flush_without_triggers)
        yield


def _flush_without_triggers(operations: DatabaseOperations, sql_list: Sequence[str]) -> Any:
    return _flush(
        operations,
        [
            "ALTER TABLE budgets_entry DISABLE TRIGGER USER",
            *sql_list,
            "ALTER TABLE budgets_entry ENABLE TRIGGER USER",
        ],
    )
