"""How long what an organisation has is kept, by kind, as the operator's policy says; pure."""

import enum
from collections.abc import Collection, Mapping

ALL = "*"


class Kind(enum.StrEnum):
    """What ages by itself."""

    JOBS = "jobs"  # what ended jobs were asked and answered, with their result files and streams
    FILES = "files"  # what callers keep here
    EVENTS = "events"  # what happened, as webhooks tell it, with what was sent of it
    WEBHOOKS = "webhooks"  # how deliveries went, with what receivers answered; the event stays


def days_of(slug: str, policy: Mapping[str, int]) -> dict[Kind, int]:
    """Return for how many days an organisation's things are kept; what is not named is kept.

    The closest counts: of this organisation and kind, of this organisation, of this kind, of all.

    >>> days_of("acme", {"*": 365, "*.webhooks": 14, "acme": 30, "acme.files": 90})
    {<Kind.JOBS: 'jobs'>: 30, <Kind.FILES: 'files'>: 90, <Kind.EVENTS: 'events'>: 30, <Kind.WEBHOOKS: 'webhooks'>: 30}
    """
    found = {}
    for kind in Kind:
        names = (f"{slug}.{kind}", slug, f"{ALL}.{kind}", ALL)
        days = next((policy[name] for name in names if name in policy), None)
        if days is not None:
            found[kind] = days
    return found


def is_of_all(policy: Mapping[str, int]) -> bool:
    """Tell whether a policy says something of organisations that it does not name."""
    return any(name.partition(".")[0] == ALL for name in policy)


def slugs(policy: Mapping[str, int]) -> Collection[str]:
    """Return the organisations that a policy names."""
    return {name.partition(".")[0] for name in policy} - {ALL}
