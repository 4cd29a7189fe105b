"""What a caller may see of a job: which columns are read, and what becomes of a row of them.

The statements are those of ``selectors``, which say whose job it is. ``VISIBLE`` belongs into each.
"""

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Mapping
from typing import Any

from budgets import windows
from budgets.windows import Layer, WindowKind
from jobs.states import Facade, JobKind, JobState, Mode, is_terminal

# For the alias ``j``. ``view`` reads them by their places; behind them comes `up_to`, or NULL.
COLUMNS = """
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


def view(row: tuple[Any, ...]) -> JobView:
    """Return a row of ``COLUMNS``, with the jobs up to it by model as JSON behind them."""
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


def parked(cap: str, *, day: dt.date) -> Parked:
    """Return what parks a job, by the cap's name; ``day`` is today in UTC."""
    layer, window = windows.cap_named(cap)
    resets_at = windows.resets_at_wire(window, windows.period_of(window, day))
    return Parked(layer=layer, window=window, resets_at=resets_at)
