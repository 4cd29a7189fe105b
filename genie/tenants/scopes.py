"""What a caller may do: the scopes of a key and the roles of a member. Pure."""

from enum import StrEnum


class Scope(StrEnum):
    """One permission of a key."""

    INFERENCE = "inference"  # submit and cancel jobs
    JOBS_READ = "jobs:read"  # see the organisation's jobs
    WEBHOOKS_WRITE = "webhooks:write"  # register webhook endpoints
    BUDGETS_WRITE = "budgets:write"  # change caps
    ADMIN = "admin"  # manage the organisation's keys


class Role(StrEnum):
    """What a member is in an organisation."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


# What a key gets when nobody says otherwise, and what every member may do with a session.
DEFAULT_SCOPES = (Scope.INFERENCE, Scope.JOBS_READ, Scope.WEBHOOKS_WRITE)

_EVERYTHING = frozenset(Scope)


def of_role(role: Role) -> frozenset[Scope]:
    """Return what a session may do whose user has this role."""
    return _EVERYTHING if role in {Role.OWNER, Role.ADMIN} else frozenset(DEFAULT_SCOPES)
