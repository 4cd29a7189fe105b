"""Use cases of registered endpoints: create, change, rotate, disable, delete."""

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError, connection

from genie.core import crypto, errors, transactions
from genie.core.models import DatabaseNow
from webhooks import naming, own_headers, payloads, services, signing, transport
from webhooks.event_types import EventType
from webhooks.models import MAX_NAME_CHARS, DisabledReason, Endpoint
from webhooks.services import NewEvent

MAX_PER_ORGANIZATION = 100
MAX_DESCRIPTION_CHARS = 1000

_REASON_TEXTS = {
    DisabledReason.GONE: "The receiver answered 410 Gone.",
    DisabledReason.FAILING: "Every attempt of the last five days has failed.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What the owner of an endpoint decides about it."""

    name: str
    url: str | None  # None keeps events to be pulled and sends nothing
    events: Sequence[str]
    description: str = ""
    enabled: bool = True
    include_response: bool = False
    headers: Mapping[str, str] | None = None  # of its own, sent with each delivery; None keeps them


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """An endpoint and its secret, which is shown this once."""

    endpoint: Endpoint
    secret: str


def create(organization_id: uuid.UUID, spec: Spec) -> Minted:
    """Register an endpoint with a fresh secret. May look a name up for a second.

    Raises:
        InvalidRequest: A value is not allowed, the name is taken, or there are too many endpoints.
        UrlRefused: The URL may not be called.
    """
    _check(spec)
    _check_url(spec.url)
    secret = signing.mint_secret()
    endpoint = Endpoint(organization_id=organization_id, sealed_secret=crypto.seal(secret))
    with _unique_name(), transactions.transaction():
        _require_room(organization_id)
        _apply(endpoint, replace(spec, headers=spec.headers or {}))
        endpoint.save(force_insert=True)
    return Minted(endpoint=_refreshed(endpoint), secret=secret)


def change(
    organization_id: uuid.UUID, endpoint_id: uuid.UUID, changes: Mapping[str, Any]
) -> Endpoint:
    """Write the fields of a ``Spec`` that ``changes`` names, and return the endpoint.

    Pending deliveries go to a new URL from their next attempt on. Enabling one that was disabled for
    failing begins its count anew.

    Raises:
        NotFound: The organisation has no such endpoint.
        InvalidRequest, UrlRefused: As ``create``.
    """
    if "url" in changes:
        _check_url(changes["url"])
    with _unique_name(), transactions.transaction():
        endpoint = _locked(organization_id, endpoint_id)
        spec = replace(spec_of(endpoint), **changes)
        _check(spec)
        _apply(endpoint, spec)
        endpoint.save()
    return _refreshed(endpoint)


def delete(organization_id: uuid.UUID, endpoint_id: uuid.UUID) -> None:
    """Delete an endpoint: nothing more is sent to it, and its secrets are erased at once.

    Its row stays with the log of its deliveries until that expires; its name is free again.

    Raises:
        NotFound: The organisation has no such endpoint.
    """
    with transactions.transaction():
        endpoint = _locked(organization_id, endpoint_id)
        endpoint.sealed_secret = endpoint.sealed_headers = None
        endpoint.previous_sealed_secret = endpoint.previous_secret_expires_at = None
        endpoint.header_names = []
        _disable(endpoint, DisabledReason.DELETED)
        endpoint.deleted_at = DatabaseNow()
        endpoint.save()


def rotate_secret(organization_id: uuid.UUID, endpoint_id: uuid.UUID) -> Minted:
    """Give an endpoint a fresh secret; the one before signs beside it for ``signing.ROTATION``.

    A second rotation within that time ends the oldest secret at once.

    Raises:
        NotFound: The organisation has no such endpoint.
    """
    secret = signing.mint_secret()
    with transactions.transaction():
        endpoint = _locked(organization_id, endpoint_id)
        endpoint.previous_sealed_secret = endpoint.sealed_secret
        endpoint.previous_secret_expires_at = DatabaseNow() + signing.ROTATION
        endpoint.sealed_secret = crypto.seal(secret)
        endpoint.save(
            update_fields=["sealed_secret", "previous_sealed_secret", "previous_secret_expires_at"]
        )
    return Minted(endpoint=_refreshed(endpoint), secret=secret)


def set_enabled(
    endpoint_id: uuid.UUID, *, enabled: bool, organization_id: uuid.UUID | None
) -> Endpoint:
    """Enable or disable an endpoint; ``organization_id`` None is for operators.

    Raises:
        NotFound: There is no such endpoint.
    """
    with transactions.transaction():
        endpoint = _locked(organization_id, endpoint_id)
        _apply(endpoint, replace(spec_of(endpoint), enabled=enabled))
        endpoint.save()
    return _refreshed(endpoint)


def disable_for(endpoint_ids: Sequence[uuid.UUID], reason: DisabledReason) -> None:
    """Disable endpoints in the caller's transaction, and tell their organisations, each once.

    The event ``webhook.disabled`` goes to the other endpoints that subscribe to it and stays on record.
    """
    with transactions.transaction_required():
        for endpoint_id in sorted(endpoint_ids):
            endpoint = (
                Endpoint.objects.select_for_update().filter(id=endpoint_id, enabled=True).first()
            )
            if endpoint is not None:
                _disable(endpoint, reason)
                endpoint.save()
                services.publish_many([_disabled_event(_refreshed(endpoint), reason)])


def spec_of(endpoint: Endpoint) -> Spec:
    """Return what its owner decided; its headers stay sealed."""
    return Spec(
        name=endpoint.name,
        url=endpoint.url,
        events=endpoint.events,
        description=endpoint.description,
        enabled=endpoint.enabled,
        include_response=endpoint.include_response,
    )


def _check(spec: Spec) -> None:
    if not 1 <= len(spec.name) <= MAX_NAME_CHARS or not spec.name.isprintable():
        raise errors.InvalidRequest.of(
            "name", f"must have 1 to {MAX_NAME_CHARS} printable characters"
        )
    if naming.parse_endpoint_id(spec.name) is not None:
        raise errors.InvalidRequest.of("name", "must not look like the id of an endpoint")
    if len(spec.description) > MAX_DESCRIPTION_CHARS:
        raise errors.InvalidRequest.of(
            "description", f"must have at most {MAX_DESCRIPTION_CHARS} characters"
        )
    unknown = sorted(set(spec.events) - set(EventType))
    if unknown:
        known = ", ".join(EventType)
        raise errors.InvalidRequest.of("events", f"{unknown[0][:64]!r} is none of {known}")
    if spec.headers is not None and (problem := own_headers.problem(spec.headers)):
        raise errors.InvalidRequest.of("headers", problem)


def _check_url(url: str | None) -> None:
    if url is not None:
        transport.check_url(url, field="url")


def _apply(endpoint: Endpoint, spec: Spec) -> None:
    endpoint.name, endpoint.description = spec.name, spec.description
    endpoint.url = spec.url
    endpoint.host = None if spec.url is None else transport.destination(spec.url)
    endpoint.events = sorted(set(spec.events))
    endpoint.include_response = spec.include_response
    if spec.headers is not None:
        endpoint.header_names = sorted(spec.headers)
        endpoint.sealed_headers = (
            crypto.seal(json.dumps(dict(spec.headers))) if spec.headers else None
        )
    if spec.enabled and not endpoint.enabled:
        endpoint.enabled, endpoint.disabled_reason, endpoint.disabled_at = True, None, None
        endpoint.consecutive_failures, endpoint.failing_since = 0, None
    elif endpoint.enabled and not spec.enabled:
        _disable(endpoint, DisabledReason.CALLER)


def _disable(endpoint: Endpoint, reason: DisabledReason) -> None:
    endpoint.enabled = False
    endpoint.disabled_reason = reason
    endpoint.disabled_at = DatabaseNow()


def _disabled_event(endpoint: Endpoint, reason: DisabledReason) -> NewEvent:
    body: dict[str, object] = {
        "event": EventType.WEBHOOK_DISABLED.value,
        "webhook_id": naming.endpoint_id(endpoint.id),
        "name": endpoint.name,
        "reason": reason.value,
        "message": f"{_REASON_TEXTS[reason]} Mend it, enable it again, and replay what it missed.",
        "failing_since": payloads.iso(endpoint.failing_since),
        "disabled_at": payloads.iso(endpoint.disabled_at),
    }
    return NewEvent(
        event_type=EventType.WEBHOOK_DISABLED,
        organization_id=endpoint.organization_id,
        reference=endpoint.id,
        body=payloads.serialise(body),
        kept=True,
    )


def _locked(organization_id: uuid.UUID | None, endpoint_id: uuid.UUID) -> Endpoint:
    live = Endpoint.objects.select_for_update().filter(id=endpoint_id, deleted_at__isnull=True)
    if organization_id is not None:
        live = live.filter(organization_id=organization_id)
    found = live.first()
    if found is None:
        raise errors.NotFound("There is nothing here.")
    return found


def _refreshed(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with the times that the database wrote."""
    return Endpoint.objects.get(id=endpoint.id)


def _require_room(organization_id: uuid.UUID) -> None:
    """Refuse one endpoint too many; two that are created together are counted in turn."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('webhooks.endpoints ' || %s, 0))",
            [str(organization_id)],
        )
    live = Endpoint.objects.filter(organization_id=organization_id, deleted_at__isnull=True)
    if live.count() >= MAX_PER_ORGANIZATION:
        raise errors.InvalidRequest.of(
            "",
            f"this organization has {MAX_PER_ORGANIZATION} endpoints, which is the most; delete one",
        )


@contextlib.contextmanager
def _unique_name() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if "webhooks_endpoint_name" not in str(error):
            raise
        raise errors.InvalidRequest.of("name", "another endpoint has this name") from None
