"""Every column that holds sealed secrets, and their move to the newest field key.

An app names its columns in its AppConfig (``sealed_columns``), so this leaf knows no table. The move
is safe beside whatever else runs: it looks at tokens without a lock, and replaces one only where the
row is free at that moment and still holds the token that was looked at.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig, apps
from django.db import connection, models

from genie.core import crypto, transactions

PAGE = 5000  # rows that one statement reads, sealed or not, so that it is short on any table
BATCH = 200  # rows that one statement locks, for some milliseconds
PASSES = 20  # over what was busy; a webhook's attempt, say, is recorded within milliseconds
PAUSE_S = 0.5
ROUNDS = 5  # the second finds what was copied from one column to another behind the first

# Rows that someone else holds are skipped rather than waited for: nobody can deadlock with this.
_REPLACE = """
WITH free AS (
    SELECT t.{key} AS id, n.token FROM {table} t
      JOIN unnest(%s::{key_type}[], %s::text[], %s::text[]) AS n (id, old, token)
        ON t.{key} = n.id AND t.{column} = n.old
     ORDER BY t.{key} FOR UPDATE OF t SKIP LOCKED
)
UPDATE {table} t SET {column} = free.token FROM free WHERE t.{key} = free.id
RETURNING t.{key}
"""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """One column of one table."""

    model: type[models.Model]
    name: str

    def __str__(self) -> str:
        return f"{self.model._meta.db_table}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many tokens of a column were found in which condition."""

    current: int = 0  # under the newest key
    resealed: int = 0  # in a dry run: those that would be
    unreadable: int = 0  # no key of the ring opens them
    busy: int = 0  # held or changed by another transaction at that moment

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            current=self.current + other.current,
            resealed=self.resealed + other.resealed,
            unreadable=self.unreadable + other.unreadable,
            busy=self.busy + other.busy,
        )

    def after(self, later: "Tally") -> "Tally":
        """Return what two rounds over the same column found, one after the other."""
        return Tally(
            current=max(0, later.current - self.resealed),
            resealed=self.resealed + later.resealed,
            unreadable=later.unreadable,
            busy=later.busy,
        )


@dataclass(frozen=True, slots=True)
class _Stale:
    key: Any
    old: str
    token: str


def registered() -> list[SealedColumn]:
    """Return every sealed column, in the order of the apps.

    Raises:
        LookupError: An app names a model that it does not have.
        FieldDoesNotExist: Or a column.
    """
    return [
        _column(app, model, name)
        for app in apps.get_app_configs()
        for model, names in getattr(app, "sealed_columns", {}).items()
        for name in names
    ]


def estimated_rows(column: SealedColumn) -> int | None:
    """Return about how many rows the table has, as PostgreSQL last counted; None before that."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples FROM pg_class WHERE oid = %s::regclass",
            [column.model._meta.db_table],
        )
        estimate = int(cursor.fetchone()[0])
    return estimate if estimate >= 0 else None


Watch = Callable[[SealedColumn], Callable[[int], object]]


def reseal_all(*, dry_run: bool, watch: Watch) -> dict[SealedColumn, Tally]:
    """Bring every column under the newest key, until a whole round finds nothing older.

    A secret is copied along, from a job to its delivery, say: one that was read before its column
    was done may be written where the round has already been.

    Args:
        dry_run: Count only, in one round.
        watch: Called as a column is begun; what it returns is told of each page.
    """
    found = {column: Tally() for column in registered()}
    for _ in range(1 if dry_run else ROUNDS):
        before = found
        found = {
            column: before[column].after(reseal(column, dry_run=dry_run, looked=watch(column)))
            for column in before
        }
        if all(found[column].resealed == before[column].resealed for column in found):
            break
    return found


def reseal(
    column: SealedColumn, *, dry_run: bool = False, looked: Callable[[int], object] = lambda _: None
) -> Tally:
    """Bring a column's tokens under the newest key, and return what was found.

    Stopping it anywhere loses nothing, and starting it again skips what is done.

    Args:
        column: One of ``registered()``.
        dry_run: Count only.
        looked: Told after each page how many rows it had.
    """
    total, busy = Tally(), list[Any]()
    with transactions.durable():
        for page in _pages(column):
            tally, missed = _reseal(column, page, dry_run=dry_run)
            total, busy = total + tally, busy + missed
            looked(len(page))
        for _ in range(PASSES):
            if not busy:
                break
            threading.Event().wait(PAUSE_S)
            tally, busy = _reseal(column, _rows(column).filter(pk__in=busy), dry_run=dry_run)
            total += tally
    return total + Tally(busy=len(busy))


def _column(app: AppConfig, model: str, name: str) -> SealedColumn:
    found = app.get_model(model)
    found._meta.get_field(name)
    return SealedColumn(found, name)


def _rows(column: SealedColumn) -> "models.QuerySet[Any, tuple[Any, str | None]]":
    return column.model._base_manager.order_by("pk").values_list("pk", column.name)


def _pages(column: SealedColumn) -> Iterator[list[tuple[Any, str | None]]]:
    page = list(_rows(column)[:PAGE])
    while page:
        yield page
        page = list(_rows(column).filter(pk__gt=page[-1][0])[:PAGE])


def _reseal(
    column: SealedColumn, rows: Iterable[tuple[Any, str | None]], *, dry_run: bool
) -> tuple[Tally, list[Any]]:
    """Return what became of these rows, and the keys of those that were busy."""
    tally, stale = _judge([(key, token) for key, token in rows if token is not None])
    if dry_run:
        return tally + Tally(resealed=len(stale)), []
    moved = {key for part in _parts(stale) for key in _replace(column, part)}
    return tally + Tally(resealed=len(moved)), [one.key for one in stale if one.key not in moved]


def _judge(tokens: Sequence[tuple[Any, str]]) -> tuple[Tally, list[_Stale]]:
    stale, unreadable = [], 0
    for key, token in tokens:
        try:
            new = crypto.reseal(token)
        except crypto.CannotUnseal:
            unreadable += 1
            continue
        if new is not None:
            stale.append(_Stale(key, token, new))
    current = len(tokens) - len(stale) - unreadable
    return Tally(current=current, unreadable=unreadable), stale


def _parts(stale: Sequence[_Stale]) -> Iterator[Sequence[_Stale]]:
    for start in range(0, len(stale), BATCH):
        yield stale[start : start + BATCH]


def _replace(column: SealedColumn, stale: Sequence[_Stale]) -> list[Any]:
    """Return the keys of the rows that were free and unchanged."""
    meta, quote = column.model._meta, connection.ops.quote_name
    key: Any = meta.pk
    field: Any = meta.get_field(column.name)
    statement = _REPLACE.format(
        table=quote(meta.db_table),
        key=quote(key.column),
        key_type=key.db_type(connection),
        column=quote(field.column),
    )
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(
            statement,
            [[one.key for one in stale], [one.old for one in stale], [one.token for one in stale]],
        )
        return [key for (key,) in cursor.fetchall()]
