"""System checks: secrets that are none, and settings that would lose accepted work, stop the start."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from celery import current_app
from cryptography.fernet import Fernet
from django.conf import settings
from django.core import checks
from django.db import connections

from genie.core import key_strength
from genie.tenants import networks

SECRET_KEY_LENGTH = 50  # characters, as Django's own generator makes them
PEPPER_LENGTH = 32  # bytes: as many as the digest that it keys
_JSON = {"json", "application/json"}
# Each of these, off, lets a crash lose a job whose 202 has been sent.
_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@checks.register("jobs", checks.Tags.security)
def check_secrets(**_: Any) -> list[checks.CheckMessage]:
    """Return an error for each secret that is too short, or no key at all."""
    return [*_field_keys(), *(_production() if settings.PRODUCTION else ())]


@checks.register("jobs")
def check_celery(**_: Any) -> list[checks.CheckMessage]:
    """Return an error unless messages are JSON and nothing else: pickle runs what it is sent."""
    wrong = [
        name
        for name in ("task_serializer", "result_serializer")
        if current_app.conf.get(name) not in _JSON
    ]
    wrong += [
        name
        for name in ("accept_content", "result_accept_content")
        if not set(current_app.conf.get(name) or ["unset"]) <= _JSON
    ]
    return [
        checks.Error(
            f"Celery's {name} is {current_app.conf.get(name)!r}; it must be JSON.", id="jobs.E005"
        )
        for name in wrong
    ]


@checks.register("jobs", checks.Tags.database)
def check_durability(databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Return an error where a crash of PostgreSQL could lose what was promised (``--database``)."""
    found: list[checks.CheckMessage] = []
    for alias in databases or ():
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT name FROM pg_settings WHERE name = ANY(%s::text[]) AND setting = 'off'",
                [list(_DURABLE)],
            )
            found += [_not_durable(name) for (name,) in cursor.fetchall()]
    return found


@checks.register("jobs", checks.Tags.security)
def check_metrics(**_: Any) -> list[checks.CheckMessage]:
    """Return an error for each way in which metrics could be read by anybody, or by nobody."""
    return [*_metrics()]


def _metrics() -> Iterator[checks.CheckMessage]:
    for network in settings.GENIE_METRICS_NETWORKS:
        try:
            networks.normalise(network)
        except ValueError:
            yield checks.Error(
                f"GENIE_METRICS_NETWORKS has {network!r}; write networks like 127.0.0.1 or"
                " 10.0.0.0/8.",
                id="jobs.E008",
            )
    token = settings.GENIE_METRICS_TOKEN
    if token and settings.PRODUCTION and key_strength.is_placeholder(token):
        yield checks.Error(
            "GENIE_METRICS_TOKEN can be guessed: it is a placeholder or repeats a few characters.",
            hint="Make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`.",
            id="jobs.E009",
        )
    if settings.GENIE_METRICS_LISTEN and not (token or settings.GENIE_METRICS_NETWORKS):
        yield checks.Warning(
            "GENIE_METRICS_LISTEN serves nobody: set GENIE_METRICS_TOKEN or GENIE_METRICS_NETWORKS.",
            id="jobs.W001",
        )


def _field_keys() -> Iterator[checks.CheckMessage]:
    if not settings.GENIE_FIELD_KEYS:
        yield checks.Error(
            "GENIE_FIELD_KEYS is empty; webhook secrets could not be sealed.", id="jobs.E003"
        )
    for place, key in enumerate(settings.GENIE_FIELD_KEYS, start=1):
        if (problem := _field_key_problem(key)) is not None:
            yield checks.Error(
                f"Key {place} of GENIE_FIELD_KEYS {problem}.",
                hint="Make one with `python -c 'from cryptography.fernet import Fernet;"
                " print(Fernet.generate_key().decode())'`.",
                id="jobs.E003",
            )


def _field_key_problem(key: str) -> str | None:
    try:
        Fernet(key)
    except ValueError:
        return "is no Fernet key: 32 bytes in URL-safe base64"
    if settings.PRODUCTION and key_strength.is_guessable(base64.urlsafe_b64decode(key)):
        return "can be guessed: it is not 32 random bytes"
    return None


def _production() -> Iterator[checks.CheckMessage]:
    if len(settings.SECRET_KEY) < SECRET_KEY_LENGTH:
        yield checks.Error(
            f"GENIE_SECRET_KEY has {len(settings.SECRET_KEY)} characters; the least is"
            f" {SECRET_KEY_LENGTH}.",
            id="jobs.E001",
        )
    if len(settings.GENIE_KEY_PEPPER) < PEPPER_LENGTH:
        yield checks.Error(
            f"GENIE_KEY_PEPPER has {len(settings.GENIE_KEY_PEPPER)} bytes; the least is"
            f" {PEPPER_LENGTH}.",
            id="jobs.E002",
        )
    if settings.GENIE_FAILPOINTS:
        yield checks.Error(
            "GENIE_FAILPOINTS is set: processes would kill themselves. It is for tests; unset it.",
            id="jobs.E007",
        )
    if "*" in settings.ALLOWED_HOSTS:
        yield checks.Error(
            "GENIE_ALLOWED_HOSTS admits every host name; list those that callers use.",
            id="jobs.E004",
        )


def _not_durable(name: str) -> checks.CheckMessage:
    return checks.Error(
        f"PostgreSQL runs with {name} off: a crash would lose jobs that were accepted.",
        hint=f"Set {name} = on in postgresql.conf, and for the role and the database.",
        id="jobs.E006",
    )
