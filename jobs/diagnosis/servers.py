"""Checks the servers beneath: PostgreSQL, Redis, and the broker of tickets."""

import datetime as dt
import time
from collections.abc import Iterator
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from genie.core import redis as core_redis
from jobs.diagnosis import findings
from jobs.diagnosis.findings import Finding

_SKEW = dt.timedelta(seconds=2)
_FULL = 0.9  # of Redis' memory: what comes next is refused
_BROKER_S = 3
_BOUNDED = {"socket_timeout": _BROKER_S, "socket_connect_timeout": _BROKER_S}


def database() -> Iterator[Finding]:
    """Look whether PostgreSQL answers, how fast, and whether it keeps what it commits."""
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('transaction_read_only')"
        )
        version, read_only = cursor.fetchone()
    took_ms = 1000 * (time.perf_counter() - began)
    yield findings.ok("database", f"PostgreSQL {version} answers, in {took_ms:.0f} ms.")
    if read_only == "on":
        yield findings.wrong(
            "database",
            "PostgreSQL only reads, so nothing is accepted and nothing can end.",
            "Is DATABASE_URL's server a standby? Else reset `default_transaction_read_only`.",
        )
    for one in checks.run_checks(tags=[checks.Tags.database], databases=["default"]):
        yield findings.wrong("database", one.msg, one.hint or "Correct it and restart PostgreSQL.")


def migrations() -> Iterator[Finding]:
    """Look whether the tables are those of this code."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    unknown = set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations or ())
    if plan:
        names = ", ".join(f"{one.app_label}.{one.name}" for one, _ in plan[:5])
        yield findings.wrong(
            "migrations",
            f"{len(plan)} migrations are not applied ({names}{', ...' if len(plan) > 5 else ''}).",
            "Run `manage.py migrate`; it waits for no lock longer than 2 s and may be run again.",
        )
    elif unknown:
        yield findings.note(
            "migrations",
            f"The database has {len(unknown)} migrations that this code does not know.",
            "This machine's code is older than what last migrated; deploy the same version everywhere.",
        )
    else:
        yield findings.ok("migrations", "All migrations are applied.")


def clock() -> Iterator[Finding]:
    """Look how far this machine's clock is from PostgreSQL's."""
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (theirs,) = cursor.fetchone()
    after = timezone.now()
    skew = (
        theirs - before if theirs < before else theirs - after if theirs > after else dt.timedelta()
    )
    said = f"{abs(skew).total_seconds():.3f} s from PostgreSQL's"
    if abs(skew) > _SKEW:
        yield findings.wrong(
            "clock",
            f"This machine's clock is {said}.",
            "Let NTP (chrony, systemd-timesyncd) set both clocks; ids and signatures tell the time.",
        )
    else:
        yield findings.ok("clock", f"This machine's clock is {said}.")


def redis_server() -> Iterator[Finding]:
    """Look whether Redis answers, refuses when full, keeps tickets over a restart, and has room."""
    yield from _redis("redis", core_redis.client())


def _redis(check: str, client: redis.Redis) -> Iterator[Finding]:
    info: dict[str, Any] = client.info()
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version")
    yield findings.ok(check, f"{name} {version} answers.")
    policy = info.get("maxmemory_policy", "unknown")
    if policy != "noeviction":
        yield findings.wrong(
            check, f"Redis evicts ({policy}): tickets and streams would be dropped in silence.",
            "Set `maxmemory-policy noeviction`.",
        )  # fmt: skip
    if not info.get("aof_enabled"):
        yield findings.note(
            check, "Redis writes no append-only file: a restart loses tickets and live streams.",
            "Set `appendonly yes`; without it the sweep sends the tickets again, a little later.",
        )  # fmt: skip
    elif info.get("aof_last_write_status", "ok") != "ok":
        yield findings.wrong(
            check, "Redis could not write its append-only file.", "Look at its log and its disk."
        )
    if refused := core_redis.refusal(client):
        yield findings.wrong(
            check, f"Redis {refused}: it takes no tickets and no streams.",
            "Raise `maxmemory`, lower GENIE_STREAM_TTL_S, or name the primary; until then jobs start"
            " some seconds late, and none is lost.",
        )  # fmt: skip
    else:
        yield from _memory(check, info)


def _memory(check: str, info: dict[str, Any]) -> Iterator[Finding]:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if most and used > _FULL * most:
        yield findings.wrong(
            check, f"Redis uses {used >> 20} of {most >> 20} MiB.",
            "Raise `maxmemory`, or lower GENIE_STREAM_TTL_S; a full Redis refuses tickets and streams.",
        )  # fmt: skip


def broker() -> Iterator[Finding]:
    """Look whether the broker takes connections as Celery makes them."""
    with current_app.connection_for_write() as link:
        link.ensure_connection(max_retries=1, interval_start=0, timeout=_BROKER_S)
        transport = link.transport_cls
    yield findings.ok("broker", f"The broker takes connections ({transport}).")
    if transport == "redis" and settings.GENIE_BROKER_URL != settings.REDIS_URL:
        # An instance of its own, which may be set otherwise than that of the streams.
        yield from _redis("broker", redis.Redis.from_url(settings.GENIE_BROKER_URL, **_BOUNDED))
