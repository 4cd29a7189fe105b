"""What a web process keeps: its database threads and its stream reader. Facades call through here.

Each kind of work has a thread of its own, so that a submit that waits for a lock does not hold up a
poll. Every function is async and never blocks the event loop.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import redis.asyncio
from django.conf import settings

from budgets.types import Payer
from genie.core import errors, outages
from genie.core import redis as core_redis
from genie.core.coalesce import Coalescer, by_keys
from genie.core.coalesce import one_by_one as _one_by_one
from genie.tenants import selectors as tenant_selectors
from jobs import (
    archive,
    asking,
    callers,
    files,
    hub,
    journal,
    live,
    media_queue,
    operations,
    queue,
    quotes,
    selectors,
)
from jobs import spending as jobs_spending
from jobs.asking import Asked
from jobs.files import Found
from jobs.groups import NewGroup
from jobs.job_views import JobView
from jobs.live import LiveWorkers
from jobs.media_queue import MediaFilter, MediaRow
from jobs.quotes import Question, Quote
from jobs.selectors import JobKey, ListFilter, OwnedKey
from jobs.services import Cancelled
from jobs.spending import Spending, UsageFilter, UsageReport
from jobs.states import Facade
from jobs.submissions import Accepted, Submission
from webhooks import selectors as webhooks_selectors
from webhooks.selectors import NamedEndpoint

# How long the answer "which queues have a worker" is kept; and for how long it still serves while
# it is asked again, so that no caller waits for it once a second.
_LIVE_FOR_S = 1.0
_LIVE_MEANWHILE_S = 3.0
_TICKETS_WITHIN_S = 2.0  # as a process ends; the sweep sends what the broker did not take by then


class _Input(NamedTuple):
    organization_id: uuid.UUID
    content: bytes
    media_type: str


class _Cancel(NamedTuple):
    job_id: uuid.UUID
    organization_id: uuid.UUID
    reason: str
    at_once: bool


def _cancel(wanted: _Cancel) -> Cancelled:
    return operations.cancel(
        wanted.job_id,
        organization_id=wanted.organization_id,
        reason=wanted.reason,
        at_once=wanted.at_once,
    )


def _submit_together(
    wanted: tuple[Sequence[Submission], NewGroup | None],
) -> list[Accepted]:
    submissions, group = wanted
    return operations.submit_together(submissions, group=group)


_admissions: Coalescer[Submission, Accepted] = Coalescer(
    "admissions", by_keys(operations.submit_many)
)
_together: Coalescer[tuple[Sequence[Submission], NewGroup | None], list[Accepted]] = Coalescer(
    "together", _one_by_one(_submit_together), max_batch=1
)
_reads: Coalescer[JobKey, JobView | None] = Coalescer("reads", by_keys(selectors.jobs_by_key))
_owned: Coalescer[OwnedKey, JobView | None] = Coalescer("owned", by_keys(selectors.jobs_of_keys))
_named_endpoints: Coalescer[tuple[uuid.UUID, str], NamedEndpoint | None] = Coalescer(
    "named-endpoints", _one_by_one(lambda of: webhooks_selectors.endpoint_of_name(*of))
)
_asked: Coalescer[Sequence[uuid.UUID], dict[uuid.UUID, Asked]] = Coalescer(
    "asked", _one_by_one(asking.asked)
)
_members: Coalescer[tuple[uuid.UUID, uuid.UUID], list[JobView]] = Coalescer(
    "members", _one_by_one(lambda of: selectors.members(of[0], organization_id=of[1]))
)
_groups: Coalescer[tuple[uuid.UUID, uuid.UUID, Facade], list[JobView]] = Coalescer(
    "groups",
    _one_by_one(lambda of: selectors.whole_group(of[0], organization_id=of[1], facade=of[2])),
)
_media: Coalescer[MediaFilter, list[MediaRow]] = Coalescer(
    "media", _one_by_one(media_queue.rows), max_waiting=256
)
_namespaces: Coalescer[str, uuid.UUID | None] = Coalescer(
    "namespaces", _one_by_one(tenant_selectors.organization_of_namespace)
)
_lists: Coalescer[ListFilter, list[JobView]] = Coalescer("lists", _one_by_one(selectors.list_jobs))
_cancels: Coalescer[_Cancel, Cancelled] = Coalescer("cancels", _one_by_one(_cancel))
_deletions: Coalescer[tuple[uuid.UUID, uuid.UUID], None] = Coalescer(
    "deletions", _one_by_one(lambda of: operations.delete(of[0], organization_id=of[1]))
)
_video_options: Coalescer[Sequence[uuid.UUID], dict[uuid.UUID, dict[str, Any]]] = Coalescer(
    "video-options", _one_by_one(asking.video_options)
)
_quotes: Coalescer[Question, Quote] = Coalescer("quotes", _one_by_one(quotes.quote))
_endpoints: Coalescer[tuple[uuid.UUID, str], uuid.UUID | None] = Coalescer(
    "endpoints", webhooks_selectors.named_endpoints
)
_waits: Coalescer[Sequence[uuid.UUID], set[uuid.UUID]] = Coalescer(
    "waits", _one_by_one(selectors.terminal_ids)
)
_queued: Coalescer[Sequence[uuid.UUID], set[uuid.UUID]] = Coalescer(
    "queued", _one_by_one(selectors.queued_ids)
)
# Probes may ask many times at once, and one look answers them all.
_workers: Coalescer[float, LiveWorkers] = Coalescer(
    "workers", lambda asked: [live.workers(within_s=max(asked))] * len(asked)
)
_reading: Coalescer[None, bool] = Coalescer(
    "only-reads", _one_by_one(lambda _: outages.database_only_reads())
)
_spendings: Coalescer[Payer, Spending] = Coalescer(
    "spendings", _one_by_one(jobs_spending.spending), max_waiting=64
)
# Each reads up to a quarter of an organisation's jobs: few may wait for the one thread.
_usages: Coalescer[UsageFilter, UsageReport] = Coalescer(
    "usages", _one_by_one(jobs_spending.usage), max_batch=1, max_waiting=16
)
_files: Coalescer[str, Found | None] = Coalescer("files", files.find_many)
_inputs: Coalescer[_Input, uuid.UUID] = Coalescer(
    "inputs",
    _one_by_one(
        lambda sent: files.keep_input(
            sent.organization_id, sent.content, media_type=sent.media_type
        )
    ),
    max_batch=1,
    max_waiting=64,
)
_ALL: tuple[Coalescer[Any, Any], ...] = (
    *(_admissions, _quotes, _reads, _lists, _cancels, _waits),
    *(_queued, _workers, _spendings, _usages, _endpoints, _files, _inputs),
    *(
        _reading,
        _together,
        _asked,
        _members,
        _groups,
        _owned,
        _named_endpoints,
        _media,
        _namespaces,
    ),
    _deletions,
    _video_options,
    *callers.COALESCERS,
    *archive.COALESCERS,
)


async def submit(submission: Submission) -> Accepted:
    """Admit a job; its ticket follows in the background. Raises what admission refuses with."""
    accepted = await _admissions.ask(submission)
    journal.accepted([accepted])
    return accepted


async def submit_together(
    submissions: Sequence[Submission], *, group: NewGroup | None = None
) -> list[Accepted]:
    """Admit all of these jobs of one caller or none; raises what the first is refused with."""
    accepted = await _together.ask((submissions, group))
    journal.accepted(accepted)
    return accepted


async def quote(question: Question) -> Quote:
    """Return what a submission would cost and what the budget would say; nothing is taken."""
    return await _quotes.ask(question)


async def endpoint(organization_id: uuid.UUID, reference: str) -> uuid.UUID | None:
    """Return the organisation's enabled webhook endpoint of this id or name, or None."""
    return await _endpoints.ask((organization_id, reference))


async def named_endpoint(organization_id: uuid.UUID, name: str) -> NamedEndpoint | None:
    """Return the organisation's webhook endpoint of this name, enabled or not."""
    return await _named_endpoints.ask((organization_id, name))


async def job(job_id: uuid.UUID, *, organization_id: uuid.UUID) -> JobView:
    """Return a job of this organisation.

    Raises:
        JobNotFound: It has none of this id.
    """
    view = await _reads.ask(JobKey(job_id=job_id, organization_id=organization_id))
    if view is None:
        raise errors.JobNotFound
    return view


async def owned_job(wanted: OwnedKey) -> JobView | None:
    """Return the job of this id, kind and API key; None for whatever else there is."""
    return await _owned.ask(wanted)


async def asked(job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Asked]:
    """Return what the callers of these jobs sent."""
    return await _asked.ask(job_ids)


async def members(group_id: uuid.UUID, *, organization_id: uuid.UUID) -> list[JobView]:
    """Return the jobs of a group of this organisation, in the order of their submission."""
    return await _members.ask((group_id, organization_id))


async def whole_group(
    group_id: uuid.UUID, *, organization_id: uuid.UUID, facade: Facade
) -> list[JobView]:
    """Return all jobs of a group of this organisation and contract; none if it has no such group."""
    return await _groups.ask((group_id, organization_id, facade))


async def media_rows(wanted: MediaFilter) -> list[MediaRow]:
    """Return pictures and videos of an organisation, in any state, oldest first."""
    return await _media.ask(wanted)


async def organization_of_namespace(name: str) -> uuid.UUID | None:
    """Return whose namespace this is: an organisation's slug, or a user's name for its default one."""
    return await _namespaces.ask(name)


async def job_list(wanted: ListFilter) -> list[JobView]:
    """Return a page of jobs, newest first."""
    return await _lists.ask(wanted)


async def keep_input(organization_id: uuid.UUID, content: bytes, media_type: str) -> uuid.UUID:
    """Store what a caller sent; it goes again unless a job takes it."""
    return await _inputs.ask(_Input(organization_id, content, media_type))


async def file(token: str) -> Found | None:
    """Return the file of a public address."""
    return await _files.ask(token)


async def spending(payer: Payer) -> Spending:
    """Return what a payer may spend now, and which jobs hold its money."""
    return await _spendings.ask(payer)


async def usage(wanted: UsageFilter) -> UsageReport:
    """Return what an organisation has used; raises Unavailable when many ask at once."""
    return await _usages.ask(wanted)


async def cancel(
    job_id: uuid.UUID, *, organization_id: uuid.UUID, reason: str, at_once: bool = False
) -> Cancelled:
    """Cancel a job, a running one too if it is to end at once; raises JobNotFound or JobTerminal."""
    return await _cancels.ask(_Cancel(job_id, organization_id, reason, at_once))


async def delete(job_id: uuid.UUID, *, organization_id: uuid.UUID) -> None:
    """Make a job invisible for good, cancelling it if it has not ended; raises JobNotFound."""
    await _deletions.ask((job_id, organization_id))


async def video_options(job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, Any]]:
    """Return what these videos are to be, as the engine is told."""
    return await _video_options.ask(job_ids)


async def live_workers(*, fresh: bool = False) -> LiveWorkers:
    """Return which queues are attended and which models are loaded, at most three seconds old.

    This decides no permission and no money, so a short memory is safe. ``fresh`` is for who would
    refuse somebody by it, or vouch for the system.
    """
    age_s = asyncio.get_running_loop().time() - _live.at
    if fresh or _live.value is None or age_s > _LIVE_MEANWHILE_S:
        return await _look_for_workers()
    if age_s > _LIVE_FOR_S and (_live.looking is None or _live.looking.done()):
        _live.looking = asyncio.ensure_future(_look_in_background())
    return _live.value


async def _look_for_workers() -> LiveWorkers:
    now = asyncio.get_running_loop().time()
    found = await _workers.ask(settings.GENIE_NO_WORKER_S)
    if now >= _live.at:  # two may look at once, and the answers need not come in order
        _live.value, _live.at = found, now
    return found


async def _look_in_background() -> None:
    with contextlib.suppress(
        errors.Unavailable
    ):  # what is known grows old, and then somebody is told
        await _look_for_workers()


async def only_reads() -> bool:
    """Return whether the database takes no writes."""
    return await _reading.ask(None)


async def has_worker(queue: str) -> bool:
    """Return whether a worker of the queue has been seen of late."""
    if queue in (await live_workers()).queues:
        return True
    # A remembered "nobody" is asked again: the first worker may just have come.
    return queue in (await live_workers(fresh=True)).queues


async def _deserted(queues: Mapping[uuid.UUID, str]) -> set[uuid.UUID]:
    """Return the jobs that are queued where no worker has been seen of late."""
    attended = {queue for queue in set(queues.values()) if await has_worker(queue)}
    waiting = [job_id for job_id, queue in queues.items() if queue not in attended]
    return await _queued.ask(waiting) if waiting else set()


def stream_hub() -> hub.Hub:
    """Return this event loop's stream reader."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = hub.Hub(ended=_waits.ask, deserted=_deserted)
    return _hubs[loop]


def stream_client() -> "redis.asyncio.Redis":
    """Return this event loop's Redis client for reading streams."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = core_redis.aclient()
    return _clients[loop]


def begin_close() -> None:
    """Let open answers go on for a bounded time, then end each visibly; called as this process stops."""
    stream_hub().close_in(settings.GENIE_WEB_DRAIN_S)


async def close() -> None:
    """End the stream reader and the database threads, after what waits has been answered and sent."""
    for one in list(_hubs.values()):
        await one.close()
    for client in list(_clients.values()):
        await client.aclose()
    for coalescer in _ALL:
        await asyncio.to_thread(coalescer.close)
    await asyncio.to_thread(queue.sender.flush, timeout_s=_TICKETS_WITHIN_S)


class _Live:
    value: LiveWorkers | None = None
    at = 0.0
    looking: "asyncio.Future[None] | None" = None


_live = _Live()
_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, hub.Hub]" = WeakKeyDictionary()
_clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis]" = WeakKeyDictionary()
