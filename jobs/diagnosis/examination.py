"""Runs every check, whatever fails among them."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator

import redis
from django.db import Error as DatabaseError
from kombu.exceptions import OperationalError as BrokerError

from inference.errors import RegistryError
from jobs.diagnosis import findings, housekeeping, servers, serving, surroundings
from jobs.diagnosis.findings import Finding

Look = Callable[[], Iterable[Finding]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to look at. Without the database those that need it are not tried."""

    name: str
    look: Look
    needs_database: bool = True


def all_checks(*, prove_ledger: bool) -> list[Check]:
    """Return the checks in the order in which they are told."""
    return [
        Check(name="database", look=servers.database, needs_database=False),
        Check(name="migrations", look=servers.migrations),
        Check(name="clock", look=servers.clock),
        Check(name="redis", look=servers.redis_server, needs_database=False),
        Check(name="broker", look=servers.broker, needs_database=False),
        Check(name="settings", look=surroundings.secrets, needs_database=False),
        Check(name="files", look=surroundings.files, needs_database=False),
        Check(name="disks", look=surroundings.disks, needs_database=False),
        Check(name="models", look=serving.models, needs_database=False),
        Check(name="workers", look=serving.workers),
        Check(name="queues", look=serving.queues),
        Check(name="sweep", look=housekeeping.sweep),
        Check(name="beat", look=housekeeping.beat),
        Check(name="outbox", look=housekeeping.outbox),
        Check(name="ledger", look=functools.partial(housekeeping.ledger, now=prove_ledger)),
    ]


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """Yield what each check finds, as it finds it; one that fails is a finding itself."""
    has_database = True
    for check in checks:
        if check.needs_database and not has_database:
            yield findings.skipped(check.name, "Not looked at: the database does not answer.")
            continue
        for finding in _look(check):
            has_database = has_database and not finding.is_outage
            yield finding


def _look(check: Check) -> Iterator[Finding]:
    try:
        yield from check.look()
    except DatabaseError as error:
        yield findings.outage(
            check.name, f"PostgreSQL does not answer ({_sentence(error)}).",
            "Is it running? Look at DATABASE_URL, at its log, and at its max_connections.",
        )  # fmt: skip
    except redis.RedisError as error:
        yield findings.wrong(
            check.name, f"Redis does not answer ({_sentence(error)}).",
            "Is it running? Look at REDIS_URL. Jobs wait meanwhile, and none is lost.",
        )  # fmt: skip
    except BrokerError as error:
        yield findings.wrong(
            check.name, f"The broker does not answer ({_sentence(error)}).",
            "Is it running? Look at GENIE_BROKER_URL. The sweep sends the tickets later.",
        )  # fmt: skip
    except RegistryError:
        yield findings.skipped(check.name, "Not looked at: the models file is not usable.")
    except Exception as error:
        yield findings.wrong(
            check.name, f"This could not be looked at: {type(error).__name__}, {_sentence(error)}.",
            "Look at what is named; if that is as it should be, it is a defect of the check.",
        )  # fmt: skip


def _sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
