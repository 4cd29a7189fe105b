"""System checks of what every process depends on: in production an unsound setting stops the start."""

import os
import sys
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks

from genie.core import flower, key_strength


@checks.register("core", checks.Tags.security)
def check_production(**_: Any) -> list[checks.CheckMessage]:
    """Return an error for each setting that a production must not have."""
    return [*_settings()] if settings.PRODUCTION else []


@checks.register("core", checks.Tags.security)
def check_flower(**_: Any) -> list[checks.CheckMessage]:
    """Return an error where Flower would show workers and tickets to everybody."""
    if settings.PRODUCTION and (problem := flower.problem(sys.argv, os.environ)) is not None:
        return [checks.Error(problem, id="core.E005")]
    return []


def _settings() -> Iterator[checks.CheckMessage]:
    if settings.DEBUG:
        yield checks.Error(
            "DEBUG is on: errors would show code and settings to whoever causes them.",
            id="core.E001",
        )
    if key_strength.is_placeholder(settings.SECRET_KEY):
        yield checks.Error(
            "GENIE_SECRET_KEY can be guessed: it is a placeholder or repeats a few characters.",
            hint="Make one with `python -c 'import secrets; print(secrets.token_urlsafe(48))'`.",
            id="core.E002",
        )
    if key_strength.is_placeholder(settings.GENIE_KEY_PEPPER.decode(errors="replace")):
        yield checks.Error(
            "GENIE_KEY_PEPPER can be guessed: it is a placeholder or repeats a few characters.",
            id="core.E003",
        )
    if too_wide := [host for host in settings.ALLOWED_HOSTS if _is_wide(host)]:
        yield checks.Error(
            f"GENIE_ALLOWED_HOSTS admits {too_wide[0]!r}, a whole top-level domain; list the host"
            " names that callers use.",
            id="core.E004",
        )


def _is_wide(host: str) -> bool:
    """Tell whether an entry with all below it (".com") has a single label."""
    return host.startswith(".") and "." not in host.strip(".")
