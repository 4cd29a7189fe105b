"""F50: migrations run beside a system that serves; nobody waits for a lock, nothing fails."""

import threading
import time
from collections import Counter
from typing import Self

import pytest

from tests.acceptance.callers import Caller

# What was before, and so the state that the old code has: the latest migration of each app undone.
BEFORE = {"jobs": "0020", "tenants": "0002"}
LOCK_S = 2.0
_WAITING = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)::float
  FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


class Load:
    """Submits and looks, from a thread of its own, and keeps what it was answered."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._submit),
            threading.Thread(target=self._watch),
        ]
        self.statuses = Counter[int]()
        self.jobs: list[str] = []
        self.slowest_s = 0.0
        self.longest_lock_s = 0.0

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _submit(self) -> None:
        while not self._over.wait(0.02):
            began = time.monotonic()
            answer = self._caller.chat("under load", mode="async")
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.statuses[answer.status_code] += 1
            self.jobs.append(str(answer.json().get("id")))
            self.statuses[self._caller.get("/v1/jobs").status_code] += 1

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            ((waited,),) = self._caller.system.sql(_WAITING)
            self.longest_lock_s = max(self.longest_lock_s, waited)


@pytest.mark.timeout(240)
def test_back_and_forth_under_load(caller: Caller) -> None:
    system = caller.system
    with Load(caller) as load:
        for app, name in BEFORE.items():
            system.run_command("migrate", app, name)
        system.run_command("migrate")

    assert set(load.statuses) == {200, 202}, load.statuses
    assert len(load.jobs) > 20
    assert load.longest_lock_s < LOCK_S
    assert load.slowest_s < 2 * LOCK_S
    assert {caller.ended(job)["status"] for job in load.jobs} == {"completed"}
