"""Use cases of identity: make organisations, applications, members and keys; revoke keys.

Each owns its transaction. A refusal is an ``InvalidRequest`` that names the field as the
management API does, or ``Forbidden`` where the caller may not do it.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import NamedTuple

from django.db import IntegrityError, connection

from genie.core import errors
from genie.core.models import DatabaseNow
from genie.core.transactions import transaction, transaction_required
from genie.tenants import keys, limits, peppers, selectors
from genie.tenants.models import ApiKey, Application, Member, Organization, User
from genie.tenants.principal import Principal
from genie.tenants.scopes import DEFAULT_SCOPES, Role, Scope

_RECORD_USE = """
UPDATE tenants_api_key SET last_used_at = genie_now()
 WHERE id = ANY(%s::uuid[])
   AND (last_used_at IS NULL OR last_used_at < genie_now() - interval '1 minute')
"""


class Unchanged(Enum):
    """The type of ``UNCHANGED``: a field that a change leaves as it is, where None means "none"."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


class MintedKey(NamedTuple):
    """A key and its secret, which exists nowhere else and is shown once."""

    row: ApiKey
    full_key: str


def existing_organization(reference: str) -> Organization:
    """Return the organisation with this UUID or slug, for an operator.

    Raises:
        NotFound: There is none.
    """
    found = selectors.organization(reference)
    if found is None:
        raise errors.NotFound(
            f"There is no organization {reference[:64]!r}; make it with create_org."
        )
    return found


def existing_application(organization: Organization, reference: str) -> Application:
    """Return the organisation's application with this UUID or name, for an operator.

    Raises:
        NotFound: There is none.
    """
    found = selectors.application(organization.id, reference)
    if found is None:
        raise errors.NotFound(
            f"{organization.slug} has no application {reference[:64]!r}; "
            "make it with create_application."
        )
    return found


def existing_member(organization: Organization, username: str) -> Member:
    """Return the organisation's member with this user name, for an operator.

    Raises:
        NotFound: There is none.
    """
    found = selectors.member(organization.id, username)
    if found is None:
        raise errors.NotFound(
            f"{organization.slug} has no member {username[:64]!r}; make it with create_member."
        )
    return found


def create_organization(
    slug: str, *, name: str = "", owner: str | None = None, is_free_tier: bool = False
) -> Organization:
    """Return a new organisation.

    Args:
        slug: 1-48 lower-case letters, digits and dashes, unlike any other's.
        name: What people call it; the slug by default.
        owner: A user name. The user is made, without a usable password, if there is none, and
            becomes an owner.
        is_free_tier: Whether it is always served the small models.

    Raises:
        InvalidRequest: The slug is taken or malformed, or a name is.
    """
    if not keys.is_slug(slug):
        raise errors.InvalidRequest.of(
            "slug", f"{slug[:64]!r} is no slug; write 1-48 of a-z, 0-9 and '-', and no UUID."
        )
    name = _checked_name(name or slug)
    taken = f"an organization {slug!r} already exists; choose another slug."
    with (
        _refusing("tenants_organization_slug_unique", field="slug", message=taken),
        transaction(),
    ):
        organization = Organization.objects.create(slug=slug, name=name, is_free_tier=is_free_tier)
        if owner is not None:
            Member.objects.create(organization=organization, user=_user(owner), role=Role.OWNER)
    return organization


def create_application(organization_id: uuid.UUID, *, name: str) -> Application:
    """Return a new application of the organisation.

    Raises:
        InvalidRequest: The name is taken in this organisation, or malformed.
    """
    name = _checked_name(name)
    taken = f"this organization already has an application {name!r}."
    with _refusing("tenants_application_name_unique", field="name", message=taken), transaction():
        return Application.objects.create(organization_id=organization_id, name=name)


def set_alert_webhook(
    organization_id: uuid.UUID,
    application_id: uuid.UUID,
    *,
    url: str | Unchanged | None,
    sealed_secret: str | Unchanged | None,
) -> None:
    """Do the work of ``write_alert_webhook`` in a transaction of its own."""
    with transaction():
        write_alert_webhook(organization_id, application_id, url=url, sealed_secret=sealed_secret)


def write_alert_webhook(
    organization_id: uuid.UUID,
    application_id: uuid.UUID,
    *,
    url: str | Unchanged | None,
    sealed_secret: str | Unchanged | None,
) -> None:
    """Write where an application is told about its caps; without a URL no secret is kept either.

    ``budgets.services`` judges the URL and the secret, and calls this. Needs the caller's
    transaction, which a refusal ends.

    Args:
        organization_id: Whose application.
        application_id: The application.
        url: As accepted by ``webhooks.transport.check_url``.
        sealed_secret: A token of ``genie.core.crypto``.

    Raises:
        NotFound: The organisation has no such application.
        InvalidRequest: A secret is given where there is no URL.
    """
    changes: dict[str, str | None] = {}
    if not isinstance(sealed_secret, Unchanged):
        changes["alert_webhook_secret"] = sealed_secret
    if not isinstance(url, Unchanged):
        changes["alert_webhook_url"] = url
        if url is None:
            changes.setdefault("alert_webhook_secret", None)
    needs_url = "alertWebhookUrl is not set, so there is nothing to sign."
    mine = Application.objects.filter(organization_id=organization_id, id=application_id)
    with (
        transaction_required(),
        _refusing(
            "tenants_application_alert_secret_has_url",
            field="alertWebhookSecret",
            message=needs_url,
        ),
    ):
        if not (mine.update(**changes) if changes else mine.exists()):
            raise errors.NotFound("There is nothing here.")


def create_member(organization_id: uuid.UUID, *, username: str, role: Role) -> Member:
    """Return a new member; the user is made, without a usable password, if there is none.

    Raises:
        InvalidRequest: The user is a member already, or the name is malformed.
    """
    taken = f"{username!r} is already a member of this organization."
    with _refusing("tenants_member_user_unique", field="user", message=taken), transaction():
        return Member.objects.create(
            organization_id=organization_id, user=_user(username), role=role
        )


def create_key(
    organization_id: uuid.UUID, new: limits.NewKey, *, by: Principal | None, now: dt.datetime
) -> MintedKey:
    """Return a new key of the organisation.

    Args:
        organization_id: Whose key.
        new: Its attributes.
        by: Who asks; None is the operator at the command line, who may do anything.
        now: What ``expires_at`` is judged against.

    Raises:
        InvalidRequest: An attribute is out of bounds, or the application or holder is not of this
            organisation.
        Forbidden: ``by`` may not make keys, or not with these scopes.
    """
    new = limits.checked(new, now=now)
    _require_grantable(new.scopes, by=by)
    version, pepper = peppers.current()
    with transaction():
        organization = Organization.objects.get(id=organization_id)
        full_key = keys.mint(organization.slug)
        row = ApiKey.objects.create(
            organization=organization,
            application=_application(organization, new.application_id),
            member=_holder(organization, new.holder_user_id),
            name=new.name,
            digest=keys.digest(full_key, pepper=pepper),
            pepper_version=version,
            allowed_models=list(new.allowed_models),
            allowed_cidrs=list(new.allowed_cidrs),
            scopes=list(new.scopes),
            rate_limit_rpm=new.rpm,
            rate_limit_rpd=new.rpd,
            expires_at=new.expires_at,
        )
    return MintedKey(row, full_key)


def revoke_key(organization_id: uuid.UUID, key_id: uuid.UUID) -> bool:
    """End a key; it is refused from the next request on.

    Returns:
        Whether this call did it: False says that the key was revoked before.

    Raises:
        NotFound: The organisation has no such key.
    """
    mine = ApiKey.objects.filter(organization_id=organization_id, id=key_id)
    with transaction():
        if mine.filter(revoked_at__isnull=True).update(revoked_at=DatabaseNow()):
            return True
        if mine.exists():
            return False
    raise errors.NotFound("There is nothing here.")


def record_use_many(key_ids: Sequence[uuid.UUID]) -> int:
    """Note that keys were used, each at most once a minute; return how many rows changed.

    Called outside the transaction of a request, for keys whose principal says that its use is
    unrecorded.
    """
    if not key_ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_USE, [list(key_ids)])
        return int(cursor.rowcount)


def _require_grantable(scopes: Sequence[str], *, by: Principal | None) -> None:
    """Refuse scopes that would make the new key mightier than who asks for it.

    Making keys for everyday work is what ``admin`` is for. Beyond that a key gives only what it
    has, and never ``admin``: else a leaked key could leave heirs that outlive its revocation.
    ``budgets:write`` opens the organisation's own caps, which an admin may not change, and its
    holder's colleagues' caps: it comes from an owner alone.
    """
    if by is None:
        return
    by.require_scope(Scope.ADMIN)
    for scope in scopes:
        if scope == Scope.ADMIN and by.key_id is not None:
            raise errors.Forbidden(
                "Only an owner or admin who is signed in may make a key with the scope 'admin'."
            )
        if scope == Scope.BUDGETS_WRITE and by.role is not Role.OWNER:
            raise errors.Forbidden(
                "Only an owner who is signed in may make a key with the scope 'budgets:write'."
            )
        if scope not in by.scopes and scope not in DEFAULT_SCOPES:
            raise errors.Forbidden(f"You cannot give the scope '{scope}', which you lack.")


def _application(
    organization: Organization, application_id: uuid.UUID | None
) -> Application | None:
    if application_id is None:
        return None
    found = Application.objects.filter(organization=organization, id=application_id).first()
    if found is None:
        raise errors.InvalidRequest.of(
            "applicationId", "this organization has no such application."
        )
    return found


def _holder(organization: Organization, user_id: uuid.UUID | None) -> Member | None:
    if user_id is None:
        return None
    found = Member.objects.filter(organization=organization, user_id=user_id).first()
    if found is None:
        raise errors.InvalidRequest.of("holderUserId", "this organization has no such member.")
    return found


def _user(username: str) -> User:
    """Return the user with this name, made without a usable password if there is none."""
    if problem := limits.text_problem(username, longest=150):
        raise errors.InvalidRequest.of("user", problem)
    username = User.normalize_username(username.strip())
    found = User.objects.filter(username=username).first()
    return found or User.objects.create_user(username)


def _checked_name(name: str) -> str:
    if problem := limits.text_problem(name, longest=limits.NAME_LENGTH):
        raise errors.InvalidRequest.of("name", problem)
    return name.strip()


@contextmanager
def _refusing(constraint: str, *, field: str, message: str) -> Iterator[None]:
    """Turn the violation of one constraint into a sentence.

    The database decides, so that two who ask at once cannot both pass a check made beforehand.
    """
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if getattr(diagnosis, "constraint_name", None) != constraint:
            raise
        raise errors.InvalidRequest.of(field, message) from error
