"""The JSON of endpoints, deliveries and events: strict on the way in, snake_case both ways."""

import json
from typing import Any

from rest_framework import serializers

from genie.core.serializers import (
    StrictBoolean,
    StrictList,
    StrictMap,
    StrictMoment,
    StrictSerializer,
    StrictText,
)
from webhooks import naming, payloads
from webhooks.endpoints import MAX_DESCRIPTION_CHARS, Minted, Spec
from webhooks.models import MAX_NAME_CHARS, Attempt, Delivery, Endpoint, Event
from webhooks.naming import Place
from webhooks.recording import Result

_LONGEST_URL = 2048
_MOST_EVENTS = 20


class EndpointSerializer(StrictSerializer):
    """What the owner of an endpoint decides; a null ``url`` keeps its events to be pulled."""

    name = StrictText(max_length=MAX_NAME_CHARS)
    url = StrictText(max_length=_LONGEST_URL, allow_null=True)
    events = StrictList(child=StrictText(), max_length=_MOST_EVENTS)
    description = StrictText(required=False, allow_blank=True, max_length=MAX_DESCRIPTION_CHARS)
    enabled = StrictBoolean(required=False)
    include_response = StrictBoolean(required=False)
    headers = StrictMap(child=StrictText(), required=False)

    def spec(self) -> Spec:
        """Return what a valid body describes."""
        return Spec(**self.validated_data)

    def changes(self) -> dict[str, Any]:
        """Return the fields that a valid partial body names."""
        return dict(self.validated_data)


class NothingSerializer(StrictSerializer):
    """A body that says nothing: none at all, or an empty object."""


class ReplaySerializer(StrictSerializer):
    """From when on, and where an earlier call stopped."""

    since = StrictMoment()
    cursor = StrictText(required=False, allow_null=True, max_length=64)  # null: from `since` on

    def validate_cursor(self, value: str | None) -> Place | None:
        if value is None:
            return None
        place = naming.decode_cursor(value)
        if place is None:
            raise serializers.ValidationError("write the next_cursor of the call before.")
        return place


def endpoint(row: Endpoint) -> dict[str, Any]:
    """Return an endpoint as its owner sees it; no secret, and of its own headers the names alone."""
    return {
        "id": naming.endpoint_id(row.id),
        "object": "webhook",
        "name": row.name,
        "url": row.url,
        "events": row.events,
        "description": row.description,
        "enabled": row.enabled,
        "disabled_reason": row.disabled_reason,
        "disabled_at": payloads.iso(row.disabled_at),
        "include_response": row.include_response,
        "header_names": row.header_names,
        "previous_secret_expires_at": payloads.iso(row.previous_secret_expires_at),
        "health": {
            "consecutive_failures": row.consecutive_failures,
            "failing_since": payloads.iso(row.failing_since),
            "last_success_at": payloads.iso(row.last_success_at),
        },
        "created_at": payloads.iso(row.created_at),
    }


def minted(made: Minted) -> dict[str, Any]:
    """Return an endpoint with its fresh secret: the only answers that ever show it."""
    return {**endpoint(made.endpoint), "secret": made.secret}


def delivery(row: Delivery) -> dict[str, Any]:
    """Return a delivery, whose event has been read with it."""
    return {
        "id": str(row.id),
        "object": "webhook.delivery",
        "webhook_id": None if row.endpoint is None else naming.endpoint_id(row.endpoint.id),
        "message_id": str(row.resends or row.id),
        "event_id": naming.event_id(row.event.id),
        "event": row.event.type,
        "reference": None if row.event.reference is None else str(row.event.reference),
        "format": row.format,
        "url": row.url,
        "state": row.state,
        "attempts": row.attempts,
        "reason": row.reason,
        "next_attempt_at": payloads.iso(row.next_attempt_at),
        "created_at": payloads.iso(row.created_at),
        "ended_at": payloads.iso(row.ended_at),
    }


def delivery_with_log(row: Delivery, attempts: list[Attempt]) -> dict[str, Any]:
    """Return a delivery with the bytes that it sends and each attempt that was recorded."""
    body = bytes(row.event.body)
    return {
        **delivery(row),
        "body": body.decode("utf-8", "replace"),
        "body_bytes": len(body),
        "log": [attempt(one) for one in attempts],
    }


def attempt(row: Attempt) -> dict[str, Any]:
    """Return one line of the log."""
    return {
        "number": row.number,
        "started_at": payloads.iso(row.started_at),
        "duration_ms": row.duration_ms,
        "status": row.status,
        "error": row.error_class,
        "answer": bytes(row.answer).decode("utf-8", "replace"),
    }


def test_result(result: Result) -> dict[str, Any]:
    """Return what came of a test."""
    answered = result.answered
    return {
        "delivered": answered.ok,
        "delivery_id": str(result.claim.delivery_id),
        "status": answered.status,
        "error": answered.error_class,
        "duration_ms": int(result.took.total_seconds() * 1000),
        "answer": result.head.decode("utf-8", "replace"),
    }


def event(row: Event) -> dict[str, Any]:
    """Return an event with the object that its deliveries carry."""
    return {
        "id": naming.event_id(row.id),
        "object": "event",
        "type": row.type,
        "created_at": payloads.iso(row.created_at),
        "data": json.loads(bytes(row.body)),
    }
