"""Endpoints, deliveries and attempts as the command shows them: as JSON, and as lines. No secret."""

import datetime as dt
from typing import Any

from webhooks import naming
from webhooks.listening import Forwarded
from webhooks.models import Attempt, Delivery, Endpoint


def health(endpoint: Endpoint) -> str:
    """Return how an endpoint does in a word or two."""
    if not endpoint.enabled:
        return f"disabled ({endpoint.disabled_reason})"
    if endpoint.failing_since is None:
        return "well"
    return f"failing ({endpoint.consecutive_failures}x)"


def endpoint(shown: Endpoint) -> dict[str, Any]:
    """Return an endpoint as JSON."""
    return {
        "id": naming.endpoint_id(shown.id),
        "name": shown.name,
        "organizationId": str(shown.organization_id),
        "url": shown.url,
        "events": shown.events,
        "enabled": shown.enabled,
        "disabledReason": shown.disabled_reason,
        "consecutiveFailures": shown.consecutive_failures,
        "failingSince": _iso(shown.failing_since),
        "lastSuccessAt": _iso(shown.last_success_at),
        "createdAt": _iso(shown.created_at),
    }


def endpoint_line(shown: Endpoint) -> str:
    """Return an endpoint as a line."""
    url = shown.url or "(pulled)"
    return f"{naming.endpoint_id(shown.id)}  {health(shown):<12}  {shown.name}  {url}"


def delivery(shown: Delivery) -> dict[str, Any]:
    """Return a delivery as JSON."""
    to = shown.endpoint_id
    return {
        "id": str(shown.id),
        "event": shown.event.type,
        "reference": shown.event.reference and str(shown.event.reference),
        "organizationId": str(shown.event.organization_id),
        "endpoint": None if to is None else naming.endpoint_id(to),
        "url": shown.url,
        "state": shown.state,
        "attempts": shown.attempts,
        "reason": shown.reason,
        "createdAt": _iso(shown.created_at),
        "nextAttemptAt": _iso(shown.next_attempt_at),
        "endedAt": _iso(shown.ended_at),
    }


def delivery_line(shown: Delivery) -> str:
    """Return a delivery as a line."""
    return (
        f"{shown.id}  {shown.state:<9}  {shown.attempts}x  {shown.event.type:<14}  {shown.url}"
        f"  {shown.reason or ''}"
    ).rstrip()


def attempt(shown: Attempt) -> dict[str, Any]:
    """Return an attempt as JSON, with the first KiB of its answer."""
    return {
        "number": shown.number,
        "startedAt": _iso(shown.started_at),
        "durationMs": shown.duration_ms,
        "status": shown.status,
        "error": shown.error_class,
        "answer": bytes(shown.answer).decode("utf-8", "replace"),
    }


def attempt_line(shown: dict[str, Any]) -> str:
    """Return an attempt as a line."""
    return (
        f"attempt {shown['number']} at {shown['startedAt']}: {shown['error'] or shown['status']}"
        f" after {shown['durationMs']} ms"
    )


def forwarded(shown: Forwarded) -> dict[str, Any]:
    """Return what came of forwarding an event, as JSON."""
    return {
        "id": naming.event_id(shown.event.id),
        "event": shown.event.type,
        "at": _iso(shown.event.created_at),
        "status": shown.status,
        "error": shown.error,
        "durationMs": round(shown.took / dt.timedelta(milliseconds=1)),
        "cursor": naming.encode_cursor(shown.place),
    }


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
