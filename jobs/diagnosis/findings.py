"""What a check finds. Pure."""

import dataclasses
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"  # worth knowing; nothing is wrong
    WRONG = "wrong"
    SKIPPED = "skipped"  # could not be looked at, because of another finding


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: what there is to say, and what to do where something is."""

    check: str
    level: Level
    says: str
    advice: str = ""
    is_outage: bool = False  # of PostgreSQL: what needs it cannot be looked at


def ok(check: str, says: str) -> Finding:
    """Return that all is well."""
    return Finding(check=check, level=Level.OK, says=says)


def note(check: str, says: str, advice: str = "") -> Finding:
    """Return what is worth knowing."""
    return Finding(check=check, level=Level.NOTE, says=says, advice=advice)


def wrong(check: str, says: str, advice: str) -> Finding:
    """Return what is wrong."""
    return Finding(check=check, level=Level.WRONG, says=says, advice=advice)


def outage(check: str, says: str, advice: str) -> Finding:
    """Return that PostgreSQL is away."""
    return Finding(check=check, level=Level.WRONG, says=says, advice=advice, is_outage=True)


def skipped(check: str, says: str) -> Finding:
    """Return that this could not be looked at."""
    return Finding(check=check, level=Level.SKIPPED, says=says)
