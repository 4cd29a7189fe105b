"""Books turns: gives jobs that enter a line their start tags. See Note [Virtual time] in scheduling.

A line is what shares one virtual time: the jobs of one queue, lane and model. Models have lines of
their own because workers serve them at paces of their own: a caller's turn for a slow model cannot
be paid for with the time of a fast one.

Note [Where virtual time is kept]
    A claim leaves the largest tag that it took on the clock of its queue's lane. It passes over a
    clock that another claim is writing, so that no claim waits for another; a clock that lags a
    little only lets newcomers in a little earlier. A line's time is that clock, or the tag of the
    line's first job where that is lower: a line whose workers are slower than another's. Jobs that
    were given back keep their old tags and do not count, or they would turn the time back.

Note [Bookings of one organisation are serial]
    What a caller has booked is read, moved on and written in the transaction that admits its jobs.
    Every such transaction has locked the counters of its organisation before (each hold does), so
    no other one books for that organisation meanwhile, and nothing more is locked here. The sweep
    moves jobs up a lane, and lines of a batch become jobs, without locking a counter: there two jobs
    of a caller may get one turn between them.
"""

import dataclasses
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from genie.core import transactions
from genie.core.postgresql import arrays
from jobs.scheduling import Bookings, Caller, Weights

_NORMAL = Weights()
NOBODY = uuid.UUID(int=0)  # stands in a caller's key for no application or no member


class Line(NamedTuple):
    """What shares one virtual time."""

    queue: str
    lane: int
    model: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A job that enters a line."""

    job_id: uuid.UUID
    line: Line
    organization_id: uuid.UUID
    caller: Caller
    work_s: float

    def in_lane(self, lane: int) -> "Entrant":
        """Return the job as it enters another lane of its queue."""
        return dataclasses.replace(self, line=self.line._replace(lane=lane))


ENTRANT_COLUMNS = "id, queue, lane, model, organization_id, application_id, member_id, work_s"


def entrant(
    job_id: uuid.UUID,
    queue: str,
    lane: int,
    model: str,
    organization_id: uuid.UUID,
    *rest: Any,
) -> Entrant:
    """Return a job's row as it enters its line; takes ``ENTRANT_COLUMNS``."""
    application_id, member_id, work_s = rest
    return Entrant(
        job_id=job_id,
        line=Line(queue, lane, model),
        organization_id=organization_id,
        caller=(application_id, member_id),
        work_s=work_s,
    )


# The lines that are entered, and each one's time.
_LINES = (
    "unnest(%s::text[], %s::smallint[], %s::text[]) WITH ORDINALITY AS l(queue, lane, model, place)"
)
_READ = f"""
WITH line AS MATERIALIZED (
  SELECT l.place, l.queue, l.lane, l.model, clock.virtual_time IS NOT NULL AS clocked,
    least(coalesce(clock.virtual_time, 0), coalesce(head.start_tag, clock.virtual_time, 0)) AS time
  FROM {_LINES}
  LEFT JOIN jobs_queueclock clock ON clock.queue = l.queue AND clock.lane = l.lane
  LEFT JOIN LATERAL (
    SELECT start_tag FROM jobs_job j WHERE j.queue = l.queue AND j.model = l.model AND j.lane = l.lane
      AND j.state = 'queued' AND j.parked_by IS NULL AND j.attempt = 0
    ORDER BY j.start_tag LIMIT 1) head ON true)
SELECT g.line - 1, g.organization_id, line.time, line.clocked, c.application_id, c.member_id, c.booked_until
FROM unnest(%s::int[], %s::uuid[]) AS g(line, organization_id)
JOIN line ON line.place = g.line
LEFT JOIN jobs_booking c ON c.queue = line.queue AND c.lane = line.lane AND c.model = line.model
  AND c.organization_id = g.organization_id AND c.booked_until > line.time
"""  # noqa: S608 - composed of constants

_WEIGHTS = "SELECT organization_id, application_id, weight FROM jobs_weight WHERE organization_id = ANY(%s::uuid[])"

# In the order of the key, as every statement that writes several of them.
_WRITE = f"""
INSERT INTO jobs_booking (queue, lane, model, organization_id, application_id, member_id, booked_until, booked_at)
SELECT l.queue, l.lane, l.model, o, a, m, e, genie_now()
FROM {_LINES} JOIN unnest(%s::int[], %s::uuid[], %s::uuid[], %s::uuid[], %s::float8[]) AS r(line, o, a, m, e)
  ON l.place = r.line ORDER BY 1, 2, 3, 4, 5, 6
ON CONFLICT (queue, lane, model, organization_id, application_id, member_id) DO UPDATE
  SET booked_until = greatest(jobs_booking.booked_until, EXCLUDED.booked_until), booked_at = EXCLUDED.booked_at
"""  # noqa: S608 - composed of constants

_START_CLOCKS = """
INSERT INTO jobs_queueclock (queue, lane, virtual_time)
SELECT q, l, 0 FROM unnest(%s::text[], %s::smallint[]) AS r(q, l) ON CONFLICT (queue, lane) DO NOTHING
"""

_Group = tuple[
    Line, uuid.UUID
]  # whose bookings depend on one another: of one organisation in one line


class Asked:
    """What the callers of these jobs have booked, asked for now and read later.

    Who has locked the counters asks behind that, in the same round trip; asked again, the first
    answer is dropped. See Note [Bookings of one organisation are serial].
    """

    def __init__(self, entrants: Iterable[Entrant]) -> None:
        self._groups = list(_groups(entrants))
        self._lines = list(dict.fromkeys(line for line, _ in self._groups))
        self._answers: tuple[CursorWrapper, CursorWrapper] | None = None

    def ask(self) -> None:
        """Send what is asked; of a pipeline, the answer is not waited for. Needs a transaction."""
        if not self._groups:
            return
        place_of = {line: place for place, line in enumerate(self._lines, start=1)}
        organizations = sorted({organization_id for _, organization_id in self._groups})
        wanted = [
            arrays.integers(place_of[line] for line, _ in self._groups),
            arrays.uuids(owner for _, owner in self._groups),
        ]
        with transactions.transaction_required():
            self._answers = connection.cursor(), connection.cursor()
            reading, weighing = self._answers
            reading.execute(_READ, [*_columns(self._lines), *wanted])
            weighing.execute(_WEIGHTS, [arrays.uuids(organizations)])

    def bookings(self) -> dict[_Group, Bookings]:
        """Return the bookings of each group of jobs, as they were when they were asked for."""
        if self._answers is None:
            self.ask()
        if self._answers is None:
            return {}
        with self._answers[0] as reading, self._answers[1] as weighing:
            rows = reading.fetchall()
            weights = _weights(weighing.fetchall())
        _start_clocks({self._lines[row[0]] for row in rows if not row[3]})
        times: dict[_Group, float] = {}
        booked: dict[_Group, dict[Caller, float]] = {}
        for place, organization_id, time, _, application_id, member_id, until in rows:
            group = self._lines[place], organization_id
            times[group] = time
            of_group = booked.setdefault(group, {})
            if until is not None:
                of_group[_known(application_id), _known(member_id)] = until
        return {
            group: Bookings(times[group], booked[group], weights.get(group[1], _NORMAL))
            for group in self._groups
        }


def book(entrants: Sequence[Entrant], *, asked: Asked | None = None) -> dict[uuid.UUID, float]:
    """Return the start tag of each job, and book their time; two round trips whatever the number.

    ``asked`` saves the first of them: what these jobs, and perhaps others, asked before. Needs the
    caller's transaction; see Note [Bookings of one organisation are serial]. Of one caller the
    older job goes first.
    """
    if not entrants:
        return {}
    with transactions.transaction_required():
        bookings = (asked or Asked(entrants)).bookings()
        tags: dict[uuid.UUID, float] = {}
        booked: dict[tuple[Line, uuid.UUID, Caller], float] = {}
        for group, coming in _groups(entrants).items():
            for one in coming:
                tags[one.job_id] = bookings[group].book(one.caller, one.work_s)
                booked[(*group, one.caller)] = bookings[group].until(one.caller)
        _write(booked)
    return tags


def _groups(entrants: Iterable[Entrant]) -> dict[_Group, list[Entrant]]:
    groups: dict[_Group, list[Entrant]] = {}
    for one in sorted(entrants, key=lambda entrant: entrant.job_id):
        groups.setdefault((one.line, one.organization_id), []).append(one)
    return groups


def _columns(lines: Sequence[Line]) -> list[str]:
    return [
        arrays.texts(line.queue for line in lines),
        arrays.integers(line.lane for line in lines),
        arrays.texts(line.model for line in lines),
    ]


def _weights(rows: Iterable[tuple[Any, ...]]) -> dict[uuid.UUID, Weights]:
    own: dict[uuid.UUID, dict[str, int]] = {}
    applications: dict[uuid.UUID, dict[uuid.UUID | None, int]] = {}
    for organization_id, application_id, weight in rows:
        if application_id is None:
            own[organization_id] = {"organization": weight}
        else:
            applications.setdefault(organization_id, {})[application_id] = weight
    return {
        organization_id: Weights(
            applications=applications.get(organization_id, {}), **own.get(organization_id, {})
        )
        for organization_id in own.keys() | applications.keys()
    }


def _start_clocks(lines: Iterable[Line]) -> None:
    """Let the lanes have a clock that had none; a claim only ever moves one on."""
    lanes = sorted({(line.queue, line.lane) for line in lines})
    if lanes:
        with connection.cursor() as cursor:
            queues, numbers = zip(*lanes, strict=True)
            cursor.execute(_START_CLOCKS, [arrays.texts(queues), arrays.integers(numbers)])


def _write(booked: Mapping[tuple[Line, uuid.UUID, Caller], float]) -> None:
    lines = list(dict.fromkeys(line for line, _, _ in booked))
    place_of = {line: place for place, line in enumerate(lines, start=1)}
    columns = [
        arrays.integers(place_of[line] for line, _, _ in booked),
        arrays.uuids(organization_id for _, organization_id, _ in booked),
        arrays.uuids(caller[0] or NOBODY for _, _, caller in booked),
        arrays.uuids(caller[1] or NOBODY for _, _, caller in booked),
        arrays.floats(booked.values()),
    ]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [*_columns(lines), *columns])


def _known(key: uuid.UUID) -> uuid.UUID | None:
    return None if key == NOBODY else key
