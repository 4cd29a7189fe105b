"""Which webhook events the end of jobs causes: the native one of each, told to who subscribes."""

import functools
import json
from typing import Any

from jobs import events
from jobs.lifecycle import Ended
from webhooks import payloads
from webhooks.services import NewEvent


def event_of(ended: Ended) -> NewEvent:
    """Return the native event of a job's end; its body is made only if somebody is to have it."""
    return NewEvent(
        event_type=events.event_type(ended.state),
        organization_id=ended.organization_id,
        reference=ended.job_id,
        body=functools.partial(_body, ended),
        url=ended.webhook_url,
        sealed_secret=ended.webhook_secret,
        endpoint_id=ended.webhook_endpoint_id,
    )


def _body(ended: Ended) -> bytes:
    body: dict[str, Any] = events.webhook_body(
        job_id=ended.job_id,
        kind=ended.kind,
        state=ended.state,
        completed_at=ended.completed_at,
        result=json.loads(ended.result_json) if ended.result_json is not None else None,
        error=ended.error,
    )
    return payloads.serialise(body)
