"""Workers make themselves known: one row each, refreshed by a thread. Read by /ready and no-worker.

A row stays for a while after its worker has left: whoever waits for a queue waits as long for one
that is restarted as for one that was lost.
"""

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from django.db import Error as DatabaseError
from django.db import connection

from genie.core import pulse
from jobs import service_times
from jobs.service_times import ServiceTime

logger = logging.getLogger(__name__)

# Well under the 30 s after which a queue counts as unattended, so that a lost beat does not matter.
BEAT_S = 5.0
_TROUBLE_LENGTH = 200  # characters of the row's column
_LOOK_S = 0.1  # so often, until all queues are ready: each is announced when it is


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker says of itself."""

    slots: int = 0
    running: int = 0
    loaded_models: Sequence[str] = ()
    jobs_per_s: Mapping[str, float] = dataclasses.field(default_factory=dict)
    service_times: Mapping[str, ServiceTime] = dataclasses.field(default_factory=dict)
    warming: Collection[str] = ()  # queues whose models are still being loaded
    model_bytes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    memory_budget_bytes: int | None = None  # None: not known yet, or without bound


class Presence:
    """Keeps one worker's row fresh until it is closed, then says in it that the worker has left."""

    def __init__(self, name: str, queues: Sequence[str], *, report: Callable[[], Report]) -> None:
        self._name = name
        self._queues = list(queues)
        self._report = report
        self._closed = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Write the row now and every few seconds."""
        self._thread.start()

    def close(self, *, trouble: str = "") -> None:
        """Say that this worker is not ready for anything any more, and why if something is wrong."""
        self._trouble = trouble[:_TROUBLE_LENGTH]
        self._closed.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._closed.is_set():
            report = self._report()
            pulse.beat(ready=not report.warming)
            self._write(self._upsert, report)
            self._wait(report)
        self._write(self._leave)
        connection.close()

    def _wait(self, written: Report) -> None:
        """Wait for the next beat, or until another queue has become ready."""
        due = time.monotonic() + BEAT_S
        while (left := due - time.monotonic()) > 0:
            if self._closed.wait(min(left, _LOOK_S) if written.warming else left):
                return
            if written.warming and set(self._report().warming) != set(written.warming):
                return

    def _write(self, statement: Callable[..., None], *arguments: object) -> None:
        try:
            statement(*arguments)
        except DatabaseError as error:
            logger.warning("This worker could not report itself: %s", type(error).__name__)
            connection.close()

    def _upsert(self, report: Report) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """INSERT INTO jobs_worker (name, queues, ready_queues, slots, running, loaded_models, jobs_per_s,
                     service_times, model_bytes, memory_budget_bytes, started_at, heartbeat_at)
                   VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s::jsonb, %s, genie_now(), genie_now())
                   ON CONFLICT (name) DO UPDATE SET queues = EXCLUDED.queues,
                     ready_queues = EXCLUDED.ready_queues, left_at = NULL, slots = EXCLUDED.slots,
                     running = EXCLUDED.running, loaded_models = EXCLUDED.loaded_models,
                     jobs_per_s = EXCLUDED.jobs_per_s, service_times = EXCLUDED.service_times,
                     model_bytes = EXCLUDED.model_bytes,
                     memory_budget_bytes = EXCLUDED.memory_budget_bytes, trouble = '', heartbeat_at = genie_now()""",
                [
                    self._name,
                    self._queues,
                    [queue for queue in self._queues if queue not in report.warming],
                    report.slots,
                    report.running,
                    list(report.loaded_models),
                    json.dumps(dict(report.jobs_per_s)),
                    service_times.encode(report.service_times),
                    json.dumps(dict(report.model_bytes)),
                    report.memory_budget_bytes,
                ],
            )

    def _leave(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """UPDATE jobs_worker SET left_at = genie_now(), ready_queues = '{}', slots = 0, running = 0,
                     loaded_models = '{}', jobs_per_s = '{}', model_bytes = '{}', trouble = %s WHERE name = %s""",
                [self._trouble, self._name],
            )
