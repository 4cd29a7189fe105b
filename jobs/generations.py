"""Jobs and groups as inference.net's contract tells of them: reads what that needs, makes the events.

A caller of any facade may name an endpoint that is told in these words; see ``jobs.dialects``.
"""

import functools
import uuid
from collections.abc import Sequence

from jobs import asking, selectors
from jobs.asking import Asked
from jobs.dialects import inference_net, requests
from jobs.dialects.inference_net import Generation
from jobs.groups import EndedGroup
from jobs.job_views import JobView
from jobs.moves import Ended
from jobs.states import Facade, JobState
from webhooks import naming, signing
from webhooks.services import NewEvent


def of_view(job: JobView, asked: Asked) -> Generation:
    """Return what is told of a job."""
    return Generation(
        id=job.id,
        kind=job.kind,
        state=job.state,
        attempt=job.attempt,
        request=requests.sent(asked.body, asked.request, model=asked.model),
        dispatched_at=asked.first_started_at,
        finished_at=job.completed_at,
        result_json=job.result_json,
        error=job.error,
        group_expired=_is_group_expired(job, asked),
    )


def events_of(ended: Sequence[Ended], ended_groups: Sequence[EndedGroup]) -> list[NewEvent]:
    """Return the events of these ends, for the transaction that makes them; none if nobody asked.

    One statement for the jobs, and two for each group, whose members are all read.
    """
    told = [one for one in ended if one.generation_endpoint_id is not None]
    asked = asking.asked([one.job_id for one in told]) if told else {}
    return [
        *(_event_of(one, asked[one.job_id]) for one in told),
        *(_group_event(one) for one in ended_groups if one.webhook_endpoint_id is not None),
    ]


def _event_of(ended: Ended, asked: Asked) -> NewEvent:
    assert ended.generation_endpoint_id is not None  # noqa: S101 - for the type checker
    generation = Generation(
        id=ended.job_id,
        kind=ended.kind,
        state=ended.state,
        attempt=0 if asked.first_started_at is None else 1,
        request=requests.sent(asked.body, asked.request, model=asked.model),
        dispatched_at=asked.first_started_at,
        finished_at=ended.completed_at,
        result_json=ended.result_json,
        error=ended.error,
        group_expired=_is_group_expired(ended, asked),
    )
    return NewEvent(
        event_type=inference_net.event_type(ended.kind),
        organization_id=ended.organization_id,
        reference=ended.job_id,
        body=functools.partial(
            inference_net.event_body,
            generation,
            webhook_id=naming.endpoint_id(ended.generation_endpoint_id),
            at=ended.completed_at,
        ),
        endpoint_id=ended.generation_endpoint_id,
        format=signing.INFERENCE_NET.name,
        traceparent=ended.traceparent,
    )


def _group_event(group: EndedGroup) -> NewEvent:
    assert group.webhook_endpoint_id is not None  # noqa: S101 - for the type checker
    return NewEvent(
        event_type=inference_net.GROUP_COMPLETED,
        organization_id=group.organization_id,
        reference=group.id,
        body=functools.partial(_group_event_body, group, group.webhook_endpoint_id),
        endpoint_id=group.webhook_endpoint_id,
        format=signing.INFERENCE_NET.name,
    )


def _group_event_body(group: EndedGroup, endpoint_id: uuid.UUID) -> bytes:
    members = selectors.members(group.id, organization_id=group.organization_id)
    asked = asking.asked([one.id for one in members])
    return inference_net.group_event_body(
        group.id,
        [of_view(one, asked[one.id]) for one in members],
        webhook_id=naming.endpoint_id(endpoint_id),
        at=max(one.completed_at for one in members if one.completed_at is not None),
    )


def _is_group_expired(job: JobView | Ended, asked: Asked) -> bool:
    """Tell whether a member of a group of this contract ended because the group's time was over."""
    return (
        job.state is JobState.TIMEOUT
        and job.facade is Facade.INFERENCE_NET
        and job.group_id is not None
        and job.completed_at is not None
        and asked.end_deadline_at is not None
        and job.completed_at >= asked.end_deadline_at
    )
