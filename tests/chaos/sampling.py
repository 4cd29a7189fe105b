"""Looks at the database while the campaign runs, and brings webhooks' retries forward."""

import threading
import time
from collections.abc import Sequence

import psycopg

from tests.acceptance.system import System
from tests.chaos.evidence import TERMINAL, Job
from tests.zoo.campaign import FORWARD

EVERY_S = 1.0
_OVER_CAP = """
SELECT o.slug, w.layer, w."window", w.period, w.spent, w.held, c.cap_microcredits
  FROM budgets_window w JOIN tenants_organization o ON o.id = w.subject_id
  JOIN budgets_cap c ON c.subject_id = w.subject_id AND c.layer = w.layer AND c."window" = w."window"
 WHERE o.slug = ANY(%s) AND w.spent + w.held > c.cap_microcredits
"""
# One statement sees one snapshot, so the sums agree at every moment or are wrong.
_DRIFT = """
WITH mine AS (
  SELECT w.id, w.held, w.spent FROM budgets_window w
  JOIN tenants_organization o ON o.id = w.subject_id WHERE o.slug = ANY(%s)
), open AS (
  SELECT unnest(h.window_ids) AS id, h.amount FROM budgets_hold h WHERE h.closed_at IS NULL
)
SELECT m.id, m.held, coalesce(sum(o.amount), 0)::bigint FROM mine m LEFT JOIN open o ON o.id = m.id
 GROUP BY m.id, m.held HAVING m.held <> coalesce(sum(o.amount), 0)
"""
_ENDED = """
SELECT j.id::text, j.state, j.attempt, j.cost_microcredits FROM jobs_job j
  JOIN tenants_organization o ON o.id = j.organization_id
 WHERE o.slug = ANY(%s) AND j.completed_at > genie_now() - interval '5 seconds'
"""


class Sampler:
    """Takes a sample every second, in a thread of its own."""

    def __init__(self, system: System, organizations: Sequence[str]) -> None:
        self._system = system
        self._organizations = list(organizations)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")
        self._ended: dict[str, tuple[str, int, int]] = {}
        self.breaches: list[tuple[str, str]] = []
        self.samples = 0
        self.missed = 0  # moments at which the database was away
        self.trouble: list[str] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def compare(self, jobs: Sequence[Job]) -> None:
        """Say which jobs are not as they were when they had ended."""
        for job in jobs:
            now = (job.state, job.attempt, job.cost)
            before = self._ended.get(job.id, now)
            if before != now:
                self.breaches.append(("I5", f"job {job.id} had ended as {before}, and is {now}"))

    def _run(self) -> None:
        try:
            while not self._over.wait(EVERY_S):
                try:
                    self._look()
                except psycopg.OperationalError:  # faults take it away, too
                    self.missed += 1
        except Exception as error:
            self.trouble.append(f"sampler: {error!r}")

    def _look(self) -> None:
        """Sample until the connection breaks."""
        with psycopg.connect(
            self._system.servers.database_url,
            autocommit=True, application_name="chaos", connect_timeout=2,
        ) as connection:  # fmt: skip
            while True:
                began = time.monotonic()
                self._sample(connection)
                if self._over.wait(max(0.0, EVERY_S - (time.monotonic() - began))):
                    return

    def _sample(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        connection.execute(FORWARD)
        for row in connection.execute(_OVER_CAP, [self._organizations]):
            self.breaches.append(("I3", "{} {} {} {}: {} + {} > {}".format(*row)))
        for row in connection.execute(_DRIFT, [self._organizations]):
            self.breaches.append(
                ("I4", "window {} has {} held, its open holds are {}".format(*row))
            )
        for job_id, state, attempt, cost in connection.execute(_ENDED, [self._organizations]):
            if state in TERMINAL:
                seen = (str(state), int(str(attempt)), int(str(cost)))
                before = self._ended.setdefault(str(job_id), seen)
                if before != seen:
                    self.breaches.append(("I5", f"job {job_id} was {before}, then {seen}"))
        self.samples += 1
