"""Reads of jobs: by id for their owner, lists, queue positions, live workers. Writes nothing.

Every read for a caller takes the organisation: another organisation's job does not exist.
"""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from budgets import windows
from budgets.windows import Layer, WindowKind
from jobs import service_times
from jobs.service_times import ServiceTime
from jobs.states import Facade, JobKind, JobState, Mode, is_terminal


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """Why a queued job is not in its queue: the cap that refused it when it was last tried."""

    layer: Layer
    window: WindowKind
    resets_at: str | None  # when the window turns, as the wire writes instants; None for total

    @property
    def cap(self) -> str:
        """The cap's name, such as org_daily_cap."""
        return windows.cap_name(self.layer, self.window)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """What a caller may see of a job."""

    id: uuid.UUID
    organization_id: uuid.UUID
    kind: JobKind
    mode: Mode
    queue: str
    lane: int
    state: JobState
    model: str
    attempt: int
    worker: str
    created_at: dt.datetime
    started_at: dt.datetime | None
    completed_at: dt.datetime | None
    prompt_tokens: int
    completion_tokens: int
    estimate_microcredits: int
    cost_microcredits: int | None
    max_output_tokens: int | None
    result_json: str | None
    error: dict[str, Any] | None
    delta_ends: list[int] | None
    first_seq: int
    include_usage: bool
    queue_position: int | None
    parts: int = 0  # of its price's unit, for media
    percent: int = 0  # how far media work has come
    facade: Facade = Facade.GENIE
    requested_model: str = ""
    api_key_id: uuid.UUID | None = None
    group_id: uuid.UUID | None = None
    expires_at: dt.datetime | None = None  # from then on it does not exist for callers
    answer_as: str = ""  # how a sync caller is given the result, where it is not the JSON as it is
    parked: Parked | None = None
    up_to: Mapping[str, int] = dataclasses.field(default_factory=dict)  # those before it, and it

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return is_terminal(self.state)

    @property
    def result(self) -> dict[str, Any] | None:
        """The decoded result; polls use the text as it is."""
        return json.loads(self.result_json) if self.result_json is not None else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JobKey:
    """A job as a caller names it; ``organization_id`` None is an operator's view of all."""

    job_id: uuid.UUID
    organization_id: uuid.UUID | None


_COLUMNS = """
  j.id, j.organization_id, j.kind, j.mode, j.queue, j.lane, j.state, j.model, j.attempt, j.worker,
  j.created_at, j.started_at, j.completed_at, j.prompt_tokens, j.completion_tokens,
  j.estimate_microcredits, j.cost_microcredits, (j.request->'sampling'->>'max_tokens')::int * coalesce((j.request->>'answers')::int, 1),
  j.result::text, j.error::text, j.delta_ends, j.first_seq, coalesce((j.request->>'include_usage')::boolean, false),
  j.parts, j.percent, coalesce(j.request->>'answer_as', ''),
  j.facade, j.requested_model, j.api_key_id, j.group_id, j.expires_at,
  CASE WHEN j.state = 'queued' THEN j.parked_by END, (genie_now() AT TIME ZONE 'UTC')::date
"""

# From its expiry on a job does not exist, whether what it held has been removed yet or not.
VISIBLE = "(j.expires_at IS NULL OR j.expires_at > genie_now())"

# The claim's own order: a position and a claim cannot disagree. By model, for the ETA.
_UP_TO = """
  CASE WHEN j.state = 'queued' AND j.parked_by IS NULL THEN (
    SELECT jsonb_object_agg(model, jobs)::text FROM (
      SELECT o.model, count(*) AS jobs FROM jobs_job o
      WHERE o.queue = j.queue AND o.state = 'queued' AND o.parked_by IS NULL
        AND (o.lane, o.start_tag, o.id) <= (j.lane, j.start_tag, j.id) GROUP BY o.model) AS counted) END
"""


def jobs_by_key(keys: Sequence[JobKey]) -> list[JobView | None]:
    """Return the jobs in the order of ``keys``; None where the organisation has none of that id."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS}, {_UP_TO} FROM jobs_job j WHERE j.id = ANY(%s::uuid[]) AND {VISIBLE}",  # noqa: S608 - constants
            [list({key.job_id for key in keys})],
        )
        found = {row[0]: _view(row) for row in cursor.fetchall()}
    return [_visible(found.get(key.job_id), key) for key in keys]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OwnedKey:
    """A job as its owner names it, where the API key that submitted it is the owner."""

    job_id: uuid.UUID
    api_key_id: uuid.UUID
    kind: JobKind


def jobs_of_keys(keys: Sequence[OwnedKey]) -> list[JobView | None]:
    """Return the jobs in the order of ``keys``, without positions; None for any mismatch.

    The statement itself compares everything, so that what there is of others takes no time to skip.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {_COLUMNS}, NULL, r.place
                FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) WITH ORDINALITY AS r(id, key_id, kind, place)
                JOIN jobs_job j ON j.id = r.id AND j.api_key_id = r.key_id AND j.kind = r.kind
                WHERE {VISIBLE}""",  # noqa: S608 - constants
            [
                [key.job_id for key in keys],
                [key.api_key_id for key in keys],
                [key.kind for key in keys],
            ],
        )
        found = {row[-1]: _view(row) for row in cursor.fetchall()}
    return [found.get(place) for place in range(1, len(keys) + 1)]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a job's caller sent, when a worker first took it, and by when it had to end."""

    body: dict[str, Any] | None  # where the contract that it came through keeps it
    first_started_at: dt.datetime | None
    model: str  # by the name that was asked for
    request: dict[str, Any]  # as it was understood; empty where there is a body
    end_deadline_at: dt.datetime | None
    told: dict[str, Any] | None = None  # the settings that a response says again


def asked(job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Asked]:
    """Return what the callers of these jobs sent; for contracts that give it back."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT j.id, k.asked::text, a.started_at, j.requested_model,
                 CASE WHEN k.asked IS NULL THEN j.request ELSE '{}' END::text, j.end_deadline_at,
                 (j.request->'response')::text
               FROM jobs_job j
               -- Of a batch's line no copy is kept: there the column has its custom_id.
               CROSS JOIN LATERAL (SELECT CASE WHEN j.group_id IS NULL OR j.facade <> 'openai'
                 THEN j.asked END AS asked) k
               LEFT JOIN jobs_attempt a ON a.job_id = j.id AND a.number = 1
               WHERE j.id = ANY(%s::uuid[])""",
            [list(job_ids)],
        )
        return {
            row[0]: Asked(
                body=json.loads(row[1]) if row[1] is not None else None,
                first_started_at=row[2],
                model=row[3],
                request=json.loads(row[4]),
                end_deadline_at=row[5],
                told=json.loads(row[6]) if row[6] is not None else None,
            )
            for row in cursor.fetchall()
        }


def video_options(job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, Any]]:
    """Return what these videos are to be: prompt, width, height, duration_ms, whoever asked for them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, (request->'video')::text FROM jobs_job WHERE id = ANY(%s::uuid[])",
            [list(job_ids)],
        )
        return {row[0]: json.loads(row[1]) for row in cursor.fetchall() if row[1] is not None}


def members(group_id: uuid.UUID, *, organization_id: uuid.UUID) -> list[JobView]:
    """Return the jobs of a group in the order of their submission; none for a stranger's."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {_COLUMNS}, NULL FROM jobs_job j
                WHERE j.group_id = %s AND j.organization_id = %s AND {VISIBLE} ORDER BY j.id""",  # noqa: S608 - constants
            [group_id, organization_id],
        )
        return [_view(row) for row in cursor.fetchall()]


def whole_group(
    group_id: uuid.UUID, *, organization_id: uuid.UUID, facade: Facade
) -> list[JobView]:
    """Return the jobs of a group of this contract, in the order of their submission.

    None for a stranger's, and none once the first of them has expired: a part would pass for all.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {_COLUMNS}, NULL, g.size FROM jobs_jobgroup g JOIN jobs_job j ON j.group_id = g.id
                WHERE g.id = %s AND g.organization_id = %s AND g.facade = %s AND {VISIBLE} ORDER BY j.id""",  # noqa: S608 - constants
            [group_id, organization_id, facade],
        )
        rows = cursor.fetchall()
    return [_view(row) for row in rows] if rows and len(rows) == rows[0][-1] else []


def parked(cap: str, *, day: dt.date) -> Parked:
    """Return what parks a job, by the cap's name; ``day`` is today in UTC."""
    layer, window = windows.cap_named(cap)
    resets_at = windows.resets_at_wire(window, windows.period_of(window, day))
    return Parked(layer=layer, window=window, resets_at=resets_at)


def terminal_ids(job_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return those that have ended: the check behind every wait, one statement for all waiters."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id FROM jobs_job WHERE id = ANY(%s::uuid[])
               AND state IN ('completed', 'failed', 'cancelled', 'timeout')""",
            [list(job_ids)],
        )
        return {row[0] for row in cursor.fetchall()}


def queued_ids(job_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return those that are queued: nobody runs them, or nobody any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM jobs_job WHERE id = ANY(%s::uuid[]) AND state = 'queued'",
            [list(job_ids)],
        )
        return {row[0] for row in cursor.fetchall()}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """Which jobs of an organisation to list, newest first."""

    organization_id: uuid.UUID | None
    state: str | None = None
    parked: bool = False  # only those that a cap keeps out of their queues
    model: str | None = None
    application_id: uuid.UUID | None = None
    created_after: dt.datetime | None = None
    created_before: dt.datetime | None = None
    before: tuple[dt.datetime, uuid.UUID] | None = (
        None  # the cursor: the last row of the page before
    )
    limit: int = 20
    kinds: tuple[JobKind, ...] = ()  # none: all
    oldest_first: bool = False


def list_jobs(wanted: ListFilter) -> list[JobView]:
    """Return one page; query count 1. The position is left out: it would cost a count per row."""
    after, order = (">", "ASC") if wanted.oldest_first else ("<", "DESC")
    conditions: list[tuple[str, list[Any]]] = [
        ("j.organization_id = %s", [wanted.organization_id]),
        ("j.state = %s", [wanted.state]),
        ("%s IN (j.model, j.requested_model)", [wanted.model]),
        ("j.application_id = %s", [wanted.application_id]),
        ("j.created_at >= %s", [wanted.created_after]),
        ("j.created_at < %s", [wanted.created_before]),
        (
            f"(j.created_at, j.id) {after} (%s, %s)",
            list(wanted.before) if wanted.before else [None],
        ),
        ("j.kind = ANY(%s::text[])", [list(wanted.kinds) or None]),
    ]
    chosen = [(sql, values) for sql, values in conditions if values[0] is not None]
    if wanted.parked:  # as the index of parked jobs says it: they may be few among many
        chosen.append(("j.state = 'queued' AND j.parked_by IS NOT NULL", []))
    where = " AND ".join([*(sql for sql, _ in chosen), VISIBLE])
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {_COLUMNS}, NULL FROM jobs_job j WHERE {where}
                ORDER BY j.created_at {order}, j.id {order} LIMIT %s""",  # noqa: S608 - constants
            [*(value for _, values in chosen for value in values), wanted.limit],
        )
        return [_view(row) for row in cursor.fetchall()]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorkers:
    """Which queues have a consumer, which models are in memory, and how fast queues move."""

    queues: frozenset[
        str
    ]  # of workers that were seen, those that have left since or still load too
    ready: frozenset[str]  # that somebody serves without delay
    loaded_models: frozenset[str]
    pace: dict[str, float]  # queue to seconds per job, over all its workers; absent while unknown
    # Model to the topology entries that have it; queue to why a worker of it is replaced.
    loaded_on: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    trouble: Mapping[str, str] = dataclasses.field(default_factory=dict)
    service_times: Mapping[str, ServiceTime] = dataclasses.field(default_factory=dict)  # by model
    paused: frozenset[str] = frozenset()  # queues that nothing is claimed from

    def eta_s(self, job: JobView) -> float | None:
        """Return the seconds until a queued job has run; None while unknown, or its queue is paused."""
        if job.queue in self.paused:
            return None
        return service_times.eta_s(job.up_to, self.service_times, pace_s=self.pace.get(job.queue))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UsualCompletion:
    """How many tokens an organisation's jobs of one model generate."""

    p95: int | None  # 95 of 100 generated at most so many; None without any
    sample: int


_USUAL_OF = 1000  # the latest completed jobs: bounds the read
_USUAL_COMPLETION = """
SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY completion_tokens), count(*)
  FROM (SELECT completion_tokens FROM jobs_job
         WHERE organization_id = %s AND model = %s AND state = 'completed'
         ORDER BY completed_at DESC LIMIT %s) AS latest
"""


def usual_completion(*, organization_id: uuid.UUID, model: str) -> UsualCompletion:
    """Return what the organisation's latest completed jobs of this model generated.

    Its own jobs only: another organisation's answers are its secret, even their length.
    """
    with connection.cursor() as cursor:
        cursor.execute(_USUAL_COMPLETION, [organization_id, model, _USUAL_OF])
        p95, sample = cursor.fetchone()
    return UsualCompletion(p95=p95, sample=sample)


def live_workers(*, within_s: float) -> LiveWorkers:
    """Return what workers seen within ``within_s`` seconds serve, have loaded, and manage."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT queues, loaded_models, jobs_per_s::text, ready_queues, name, trouble,
                 service_times::text, ARRAY(SELECT queue FROM jobs_queuepause)
               FROM jobs_worker WHERE heartbeat_at > genie_now() - %s * interval '1 second'
               ORDER BY name""",
            [within_s],
        )
        rows = cursor.fetchall()
    rates: dict[str, float] = {}
    loaded_on: dict[str, list[str]] = {}
    for _, loaded, jobs_per_s, _, name, *_ in rows:
        for queue, rate in json.loads(jobs_per_s).items():
            rates[queue] = rates.get(queue, 0.0) + rate
        for model in loaded:
            loaded_on.setdefault(model, []).append(name.partition("@")[0])
    return LiveWorkers(
        queues=frozenset(queue for row in rows for queue in row[0]),
        ready=frozenset(queue for row in rows for queue in row[3]),
        loaded_models=frozenset(loaded_on),
        pace={queue: 1 / rate for queue, rate in rates.items() if rate > 0},
        loaded_on={model: tuple(sorted(set(names))) for model, names in loaded_on.items()},
        trouble={queue: row[5] for row in rows if row[5] for queue in row[0]},
        service_times=service_times.together(row[6] for row in rows),
        paused=frozenset(rows[0][7]) if rows else frozenset(),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServingWorker:
    """A worker that was seen a moment ago and has not left, for operators."""

    name: str
    queues: frozenset[str]
    model_bytes: Mapping[str, int]  # of the models in its memory

    @property
    def entry(self) -> str:
        """The name of its topology entry."""
        return self.name.partition("@")[0]


def serving_workers(*, within_s: float = 30.0) -> list[ServingWorker]:
    """Return the workers of jobs that are there now, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT name, queues, loaded_models, model_bytes::text FROM jobs_worker
               WHERE left_at IS NULL AND heartbeat_at > genie_now() - %s * interval '1 second'
               ORDER BY name""",
            [within_s],
        )
        return [
            ServingWorker(
                name=name,
                queues=frozenset(queues),
                model_bytes=dict.fromkeys(loaded, 0) | json.loads(model_bytes),
            )
            for name, queues, loaded, model_bytes in cursor.fetchall()
        ]


def _visible(job: JobView | None, key: JobKey) -> JobView | None:
    if job is None or key.organization_id not in (None, job.organization_id):
        return None
    return job


def _view(row: tuple[Any, ...]) -> JobView:
    up_to: dict[str, int] = json.loads(row[33]) if row[33] is not None else {}
    return JobView(
        id=row[0],
        organization_id=row[1],
        kind=JobKind(row[2]),
        mode=Mode(row[3]),
        queue=row[4],
        lane=row[5],
        state=JobState(row[6]),
        model=row[7],
        attempt=row[8],
        worker=row[9],
        created_at=row[10],
        started_at=row[11],
        completed_at=row[12],
        prompt_tokens=row[13],
        completion_tokens=row[14],
        estimate_microcredits=row[15],
        cost_microcredits=row[16],
        max_output_tokens=row[17],
        result_json=row[18],
        error=json.loads(row[19]) if row[19] is not None else None,
        delta_ends=row[20],
        first_seq=row[21],
        include_usage=row[22],
        parts=row[23],
        percent=row[24],
        answer_as=row[25],
        facade=Facade(row[26]),
        requested_model=row[27],
        api_key_id=row[28],
        group_id=row[29],
        expires_at=row[30],
        parked=parked(row[31], day=row[32]) if row[31] is not None else None,
        queue_position=sum(up_to.values()) or None,
        up_to=up_to,
    )
