"""Workers make themselves known: one row each, refreshed by a thread. Read by /ready and no-worker."""

import dataclasses
import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from django.db import Error as DatabaseError
from django.db import connection

logger = logging.getLogger(__name__)

# Well under the 30 s after which a queue counts as unattended, so that a lost beat does not matter.
BEAT_S = 5.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker says of itself."""

    slots: int = 0
    running: int = 0
    loaded_models: Sequence[str] = ()
    jobs_per_s: Mapping[str, float] = dataclasses.field(default_factory=dict)


class Presence:
    """Keeps one worker's row fresh until it is closed, then removes it."""

    def __init__(self, name: str, queues: Sequence[str], *, report: Callable[[], Report]) -> None:
        self._name = name
        self._queues = list(queues)
        self._report = report
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Write the row now and every few seconds."""
        self._thread.start()

    def close(self) -> None:
        """Remove the row: nobody should wait for a worker that has left."""
        self._closed.set()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            self._write(self._upsert)
            if self._closed.wait(BEAT_S):
                break
        self._write(self._remove)
        connection.close()

    def _write(self, statement: Callable[[], None]) -> None:
        try:
            statement()
        except DatabaseError as error:
            logger.warning("This worker could not report itself: %s", type(error).__name__)
            connection.close()

    def _upsert(self) -> None:
        report = self._report()
        with connection.cursor() as cursor:
            cursor.execute(
                """INSERT INTO jobs_worker (name, queues, slots, running, loaded_models, jobs_per_s, started_at,
                     heartbeat_at)
                   VALUES (%s, %s, %s, %s, %s, %s::jsonb, genie_now(), genie_now())
                   ON CONFLICT (name) DO UPDATE SET queues = EXCLUDED.queues, slots = EXCLUDED.slots,
                     running = EXCLUDED.running, loaded_models = EXCLUDED.loaded_models,
                     jobs_per_s = EXCLUDED.jobs_per_s, heartbeat_at = genie_now()""",
                [
                    self._name,
                    self._queues,
                    report.slots,
                    report.running,
                    list(report.loaded_models),
                    json.dumps(dict(report.jobs_per_s)),
                ],
            )

    def _remove(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM jobs_worker WHERE name = %s", [self._name])
