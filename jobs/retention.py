"""Ends the lifetime of what an organisation's jobs were asked and answered, before anybody asks for it.

By policy, of what is old; or all of it, of an organisation or one of its members that is to be erased.
What ends here is removed by ``erasing``, like whatever else has expired.
"""

import dataclasses
import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import connection

from genie.core import transactions
from genie.tenants import selectors as tenants
from genie.tenants.models import Organization
from jobs import keeping
from jobs.keeping import Kind
from jobs.states import JobState
from webhooks import forgetting

DAY_S = 86_400.0

_WHICH = """
organization_id = %(organization)s AND (%(user)s::uuid IS NULL OR user_id = %(user)s)
  AND completed_at <= genie_now() - %(age_s)s * interval '1 second' AND NOT request = '{}'::jsonb
  AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
"""
_EXPIRE = f"""
UPDATE jobs_job SET expires_at = genie_now() WHERE id IN (
  SELECT id FROM jobs_job WHERE {_WHICH} AND (expires_at IS NULL OR expires_at > genie_now())
   ORDER BY completed_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 - composed of constants
_FILES = """
UPDATE jobs_file SET expires_at = genie_now()
 WHERE organization_id = %(organization)s AND role = 'upload' AND kept
   AND created_at <= genie_now() - %(age_s)s * interval '1 second'
   AND (expires_at IS NULL OR expires_at > genie_now())
"""
_COUNT = f"""
SELECT (SELECT count(*) FROM jobs_job WHERE {_WHICH}),
  (SELECT count(*) FROM jobs_job WHERE organization_id = %(organization)s AND completed_at IS NULL
     AND (%(user)s::uuid IS NULL OR user_id = %(user)s)),
  (SELECT count(*) FROM jobs_file WHERE organization_id = %(organization)s AND role = 'upload' AND kept
     AND %(user)s::uuid IS NULL AND created_at <= genie_now() - %(age_s)s * interval '1 second'
     AND (expires_at IS NULL OR expires_at > genie_now()))
"""  # noqa: S608 - composed of constants
_OPEN = """
SELECT id FROM jobs_job WHERE organization_id = %(organization)s AND completed_at IS NULL
  AND (%(user)s::uuid IS NULL OR user_id = %(user)s)
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is to go: of an organisation, or of one of its members alone, and how old it is at least."""

    organization_id: uuid.UUID
    user_id: uuid.UUID | None = None
    age_s: float = 0.0
    states: tuple[JobState, ...] = ()  # only jobs that ended so; none: all

    @property
    def parameters(self) -> dict[str, Any]:
        """Return it as the statements below name it."""
        return {
            "organization": self.organization_id,
            "user": self.user_id,
            "age_s": self.age_s,
            "states": list(self.states) or None,
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """How much a scope has."""

    ended_jobs: int  # whose content is there
    open_jobs: int
    files: int  # that callers keep


def content(scope: Scope) -> Content:
    """Count what is there."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, scope.parameters)
        ended, opened, files = cursor.fetchone()
    return Content(ended_jobs=ended, open_jobs=opened, files=files)


def open_jobs(scope: Scope) -> list[uuid.UUID]:
    """Return the jobs that have not ended."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, scope.parameters)
        return [row[0] for row in cursor.fetchall()]


def expire(scope: Scope, *, limit: int, kinds: Collection[Kind] = tuple(Kind)) -> int:
    """End the lifetime of at most ``limit`` jobs, and of all else of these kinds; return how many jobs.

    Of a member jobs alone: files, events and deliveries are the organisation's.
    """
    if scope.user_id is None:
        _expire_rest(scope, kinds)
    if Kind.JOBS not in kinds:
        return 0
    with transactions.transaction(), connection.cursor() as cursor:
        cursor.execute(_EXPIRE, scope.parameters | {"limit": limit})
        return int(cursor.rowcount)


def expire_jobs(scope: Scope, *, limit: int) -> int:
    """End the lifetime of at most ``limit`` jobs, and of nothing else; return how many."""
    return expire(scope, limit=limit, kinds=(Kind.JOBS,))


def expire_by_policy(policy: Mapping[str, int], *, limit: int) -> int:
    """End the lifetime of what is older than it is to be kept (``keeping``); return how many jobs."""
    expired = 0
    for organization in _organizations(policy):
        by_age: dict[int, list[Kind]] = {}
        for kind, days in keeping.days_of(organization.slug, policy).items():
            by_age.setdefault(days, []).append(kind)
        for days, kinds in by_age.items():
            scope = Scope(organization_id=organization.id, age_s=days * DAY_S)
            expired += expire(scope, limit=limit, kinds=kinds)
    return expired


def _organizations(policy: Mapping[str, int]) -> Iterable[Organization]:
    if keeping.is_of_all(policy):
        return tenants.organizations()
    return filter(None, map(tenants.organization, sorted(keeping.slugs(policy))))


def _expire_rest(scope: Scope, kinds: Collection[Kind]) -> None:
    if Kind.FILES in kinds:
        with transactions.transaction(), connection.cursor() as cursor:
            cursor.execute(_FILES, scope.parameters)
    if Kind.EVENTS in kinds:
        forgetting.events_of(scope.organization_id, age_s=scope.age_s)
    if Kind.WEBHOOKS in kinds:
        forgetting.deliveries_of(scope.organization_id, age_s=scope.age_s)
