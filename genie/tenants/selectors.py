"""Reads of identity. Every read is fresh: nothing here is cached, so a revocation acts at once."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from genie.core import ids
from genie.tenants import scopes
from genie.tenants.models import ApiKey, Application, Member, Organization, User
from genie.tenants.principal import Principal
from genie.tenants.scopes import Role

# One statement whatever the size of the batch: it runs once for all requests that arrive together.
_BY_DIGEST = """
SELECT k.digest, k.id, o.id, o.slug, o.is_free_tier, k.application_id, k.member_id, m.user_id,
       k.scopes, k.allowed_models, k.allowed_cidrs, k.rate_limit_rpm, k.rate_limit_rpd,
       k.last_used_at IS NULL OR k.last_used_at < genie_now() - interval '1 minute'
  FROM tenants_api_key k
  JOIN tenants_organization o ON o.id = k.organization_id
  LEFT JOIN tenants_member m ON m.id = k.member_id
  LEFT JOIN tenants_user u ON u.id = m.user_id
 WHERE k.digest = ANY(%s::bytea[])
   AND k.revoked_at IS NULL
   AND (k.expires_at IS NULL OR k.expires_at > genie_now())
   AND (k.member_id IS NULL OR u.is_active)
"""

_BY_USER = """
SELECT o.id, o.slug, o.is_free_tier, m.id, m.user_id, m.role
  FROM tenants_member m
  JOIN tenants_organization o ON o.id = m.organization_id
  JOIN tenants_user u ON u.id = m.user_id
 WHERE m.user_id = %s::uuid AND u.is_active AND (%s::uuid IS NULL OR o.id = %s::uuid)
 ORDER BY m.created_at, m.id
 LIMIT 1
"""

# A slug comes first: a user may be called like an organisation.
_BY_NAMESPACE = """
SELECT coalesce(
  (SELECT id FROM tenants_organization WHERE slug = %(name)s),
  (SELECT m.organization_id FROM tenants_member m JOIN tenants_user u ON u.id = m.user_id
    WHERE u.username = %(name)s AND u.is_active ORDER BY m.created_at, m.id LIMIT 1))
"""

_NAMES = """
SELECT id, slug, '' FROM tenants_organization WHERE id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT a.id, o.slug, a.name
  FROM tenants_application a JOIN tenants_organization o ON o.id = a.organization_id
 WHERE a.id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT m.id, o.slug, u.username
  FROM tenants_member m
  JOIN tenants_organization o ON o.id = m.organization_id
  JOIN tenants_user u ON u.id = m.user_id
 WHERE m.id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT id, '', username FROM tenants_user WHERE id = ANY(%(ids)s::uuid[])
"""


class Name(NamedTuple):
    """What people call an organisation, application, member or user.

    >>> str(Name("acme", "")), str(Name("acme", "chatbot")), str(Name("", "olga"))
    ('acme', 'acme / chatbot', 'olga')
    """

    organization: str  # its slug; empty for a user, who may be in several
    own: str  # empty for the organisation itself

    def __str__(self) -> str:
        return " / ".join(part for part in self if part)


# Asked within an admission, for every request of an application that is at a cap.
_ALERT_WEBHOOKS = """
SELECT id, alert_webhook_url, alert_webhook_secret FROM tenants_application
 WHERE id = ANY(%s::uuid[]) AND alert_webhook_url IS NOT NULL
"""


class AlertWebhook(NamedTuple):
    """Where an application is told about its caps."""

    url: str
    sealed_secret: str | None  # a token of genie.core.crypto


def principals_for_digests(digests: Sequence[bytes]) -> dict[bytes, Principal]:
    """Return the caller behind each digest of a live key.

    Revoked and expired keys, and keys whose holder is inactive, are absent like unknown ones.
    """
    if not digests:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_BY_DIGEST, [list(digests)])
        return {bytes(row[0]): _key_principal(row) for row in cursor.fetchall()}


def principals_for_candidates(batch: Sequence[tuple[bytes, ...]]) -> list[Principal | None]:
    """Return the caller for each presented key, given its digests under every accepted pepper.

    The order is kept, so this is the batch function of a coalescer.
    """
    found = principals_for_digests([digest for digests in batch for digest in digests])
    return [
        next((found[digest] for digest in digests if digest in found), None) for digests in batch
    ]


def principal_for_user(
    user_id: uuid.UUID, *, organization_id: uuid.UUID | None = None
) -> Principal | None:
    """Return an active user as a caller in one organisation; by default the oldest membership's."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_USER, [user_id, organization_id, organization_id])
        row = cursor.fetchone()
    if row is None:
        return None
    organization, slug, is_free_tier, member_id, user, role = row
    return Principal(
        organization_id=organization,
        organization_slug=slug,
        is_free_tier=is_free_tier,
        member_id=member_id,
        user_id=user,
        role=Role(role),
        scopes=scopes.of_role(Role(role)),
    )


def memberships(user_id: uuid.UUID, *, limit: int = 200) -> list[Member]:
    """Return a user's places with their organisations, by slug, at most ``limit``; query count 1."""
    mine = Member.objects.filter(user_id=user_id).select_related("organization")
    return list(mine.order_by("organization__slug")[:limit])


def organization(reference: str) -> Organization | None:
    """Return the organisation with this UUID or slug, or None, also for a malformed reference."""
    identifier = _uuid(reference)
    if identifier is not None:
        return Organization.objects.filter(id=identifier).first()
    if not reference.isascii() or "\0" in reference:
        return None
    return Organization.objects.filter(slug=reference).first()


def organization_of_namespace(name: str) -> uuid.UUID | None:
    """Return the organisation of this slug, or the default one of the active user of this name."""
    if "\0" in name:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_BY_NAMESPACE, {"name": name})
        found: uuid.UUID | None = cursor.fetchone()[0]
    return found


def application(organization_id: uuid.UUID, reference: str) -> Application | None:
    """Return the organisation's application with this UUID or name, or None."""
    mine = Application.objects.filter(organization_id=organization_id)
    identifier = _uuid(reference)
    by_id = mine.filter(id=identifier).first() if identifier else None
    return by_id or mine.filter(name=reference).first()


def alert_webhooks(application_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, AlertWebhook]:
    """Return where applications are told about their caps; those that are not told are absent."""
    with connection.cursor() as cursor:
        cursor.execute(_ALERT_WEBHOOKS, [list(application_ids)])
        return {row[0]: AlertWebhook(*row[1:]) for row in cursor.fetchall()}


def member(organization_id: uuid.UUID, username: str) -> Member | None:
    """Return the organisation's member with this user name, with its user, or None."""
    mine = Member.objects.filter(organization_id=organization_id)
    return mine.select_related("user").filter(user__username=username).first()


def member_of_user(organization_id: uuid.UUID, user_id: uuid.UUID) -> Member | None:
    """Return the user's place in the organisation, with the user, or None."""
    mine = Member.objects.filter(organization_id=organization_id, user_id=user_id)
    return mine.select_related("user").first()


def application_of(organization_id: uuid.UUID, application_id: uuid.UUID) -> Application | None:
    """Return the organisation's application with this id, or None."""
    return Application.objects.filter(organization_id=organization_id, id=application_id).first()


def application_names(
    organization_id: uuid.UUID, application_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, str]:
    """Return the names of those that the organisation still has; no query for none."""
    if not application_ids:
        return {}
    mine = Application.objects.filter(organization_id=organization_id, id__in=application_ids)
    return dict(mine.values_list("id", "name"))


def usernames(organization_id: uuid.UUID, user_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the names of those users that are members still; no query for none."""
    if not user_ids:
        return {}
    mine = Member.objects.filter(organization_id=organization_id, user_id__in=user_ids)
    return dict(mine.values_list("user_id", "user__username"))


def api_keys(
    organization_id: uuid.UUID,
    *,
    limit: int,
    before: uuid.UUID | None = None,
    member_id: uuid.UUID | None = None,
) -> list[ApiKey]:
    """Return a page of an organisation's keys, newest first, revoked ones too.

    Args:
        organization_id: Whose keys.
        limit: The most rows.
        before: The last key of the page before.
        member_id: Only those that this member holds.
    """
    mine = ApiKey.objects.filter(organization_id=organization_id)
    if before is not None:
        mine = mine.filter(id__lt=before)
    if member_id is not None:
        mine = mine.filter(member_id=member_id)
    joined = mine.select_related("organization", "member__user", "application")
    return list(joined.order_by("-id")[:limit])


def api_key(reference: str) -> ApiKey | None:
    """Return any organisation's key by its UUID, for operators, or None."""
    identifier = _uuid(reference)
    if identifier is None:
        return None
    return ApiKey.objects.select_related("organization").filter(id=identifier).first()


def names(identifiers: Iterable[uuid.UUID | None]) -> dict[uuid.UUID, Name]:
    """Return what the organisations, applications, members and users among these are called.

    One statement, by primary keys; ids of nothing, and of what was deleted, are absent.
    """
    wanted = list({one for one in identifiers if one is not None})
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, {"ids": wanted})
        return {row_id: Name(slug, own) for row_id, slug, own in cursor.fetchall()}


def organizations(*, limit: int | None = None) -> list[Organization]:
    """Return organisations in the order of their slugs, at most ``limit`` if there is one."""
    return list(Organization.objects.order_by("slug")[:limit])


def organization_ids() -> QuerySet[Any, Any]:
    """Return, as a subquery, the ids of all organisations."""
    return Organization.objects.values_list("id")


def applications(organization_id: uuid.UUID) -> dict[uuid.UUID, str]:
    """Return the name of each application of the organisation."""
    mine = Application.objects.filter(organization_id=organization_id)
    return dict(mine.values_list("id", "name"))


def payers(organization_id: uuid.UUID) -> QuerySet[Any, Any]:
    """Return, as a subquery, the ids of an organisation's applications, members and their users."""
    members = Member.objects.filter(organization_id=organization_id)
    users = User.objects.filter(memberships__organization_id=organization_id)
    applications = Application.objects.filter(organization_id=organization_id).values_list("id")
    return applications.union(members.values_list("id"), users.values_list("id"), all=True)


def _key_principal(row: tuple[Any, ...]) -> Principal:
    (_, key_id, organization_id, slug, is_free_tier, application_id, member_id, user_id) = row[:8]
    key_scopes, models, cidrs, rpm, rpd, use_is_unrecorded = row[8:]
    return Principal(
        organization_id=organization_id,
        organization_slug=slug,
        is_free_tier=is_free_tier,
        application_id=application_id,
        member_id=member_id,
        user_id=user_id,
        key_id=key_id,
        scopes=frozenset(key_scopes),
        allowed_models=tuple(models),
        allowed_cidrs=tuple(cidrs),
        rpm=rpm,
        rpd=rpd,
        use_is_unrecorded=use_is_unrecorded,
    )


def _uuid(text: str) -> uuid.UUID | None:
    """Return the id in its 36-character spelling; a slug is never taken for one."""
    return ids.parse(text) if len(text) == 36 else None
