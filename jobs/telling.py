"""Which webhook events the end of jobs causes: the native one of each, and those of other contracts."""

import functools
import json
from collections.abc import Sequence
from typing import Any

from jobs import events
from jobs.dialects import bifrost_deliveries
from jobs.dialects.bifrost import Seen
from jobs.moves import Ended
from jobs.states import Facade
from webhooks import payloads, signing
from webhooks.services import NewEvent


def events_of(ended: Ended) -> Sequence[NewEvent]:
    """Return the events of a job's end; a body is made only if somebody is to have it.

    Who subscribes hears of every job natively. The endpoint that a job names is told in the words of
    the contract that the job came through.
    """
    if ended.facade is Facade.BIFROST:
        return [_native(ended, named=False), *_bifrost(ended)]
    return [_native(ended)]


def _native(ended: Ended, *, named: bool = True) -> NewEvent:
    return NewEvent(
        event_type=events.event_type(ended.state),
        organization_id=ended.organization_id,
        reference=ended.job_id,
        body=functools.partial(_native_body, ended),
        url=ended.webhook_url,
        sealed_secret=ended.webhook_secret,
        endpoint_id=ended.webhook_endpoint_id if named else None,
        not_to=ended.generation_endpoint_id,
        traceparent=ended.traceparent,
    )


def _native_body(ended: Ended) -> bytes:
    body: dict[str, Any] = events.webhook_body(
        job_id=ended.job_id,
        kind=ended.kind,
        state=ended.state,
        completed_at=ended.completed_at,
        result=json.loads(ended.result_json) if ended.result_json is not None else None,
        error=ended.error,
    )
    return payloads.serialise(body)


def _bifrost(ended: Ended) -> list[NewEvent]:
    if ended.webhook_endpoint_id is None:
        return []
    return [
        NewEvent(
            event_type=bifrost_deliveries.event_type(ended.state),
            organization_id=ended.organization_id,
            reference=ended.job_id,
            body=lambda: bifrost_deliveries.delivery(_seen(ended), with_result=False),
            body_with_result=lambda: bifrost_deliveries.delivery(_seen(ended), with_result=True),
            expires_at=ended.expires_at,
            expired_body=(lambda: bifrost_deliveries.expired(_seen(ended)))
            if ended.expires_at
            else None,
            endpoint_id=ended.webhook_endpoint_id,
            if_subscribed=bifrost_deliveries.subscriptions(ended.state),
            format=signing.BIFROST.name,
            traceparent=ended.traceparent,
        )
    ]


def _seen(ended: Ended) -> Seen:
    return Seen(
        id=ended.job_id,
        kind=ended.kind,
        state=ended.state,
        model=ended.model,
        requested_model=ended.requested_model,
        created_at=ended.created_at,
        completed_at=ended.completed_at,
        expires_at=ended.expires_at,
        parts=ended.parts,
        result=json.loads(ended.result_json) if ended.result_json is not None else None,
        error=ended.error,
    )
