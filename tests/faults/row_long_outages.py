"""F18, F27 at length: Redis away for five minutes, and a PostgreSQL that does not move for one."""

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
import pytest
import requests

from tests.acceptance.callers import Caller
from tests.acceptance.parallel import together
from tests.acceptance.system import WEBS, System, until

AWAY_S = 300
FROZEN_S = 60
FLAT = 3  # threads that a process may have more afterwards than before
SUBMIT_P99_S = 0.5
REFUSED_WITHIN_S = 16  # the longest of the limits of a statement, a connection, and a margin
WORDS = " ".join(f"word{number}" for number in range(20))
PROCESSES = (*WEBS, "worker-a", "worker-b", "webhooks", "maintenance")


def _threads(system: System) -> dict[str, int]:
    pids = system.supervisor.pids()
    return {name: psutil.Process(pids[name]).num_threads() for name in PROCESSES}


@contextlib.contextmanager
def _without_redis(system: System) -> Iterator[None]:
    supervisor, redis = system.servers.supervisor, system.servers.redis
    supervisor.stop(["redis"])
    try:
        yield
    finally:
        supervisor.start(redis.spec).wait_ready()
    system.wait_ready()


@contextlib.contextmanager
def _frozen_postgresql(system: System) -> Iterator[None]:
    server = psutil.Process(system.servers.supervisor.pids()["postgres"])
    stopped: list[psutil.Process] = []
    try:
        server.suspend()  # first, so that it begins no process that would be missed
        stopped = [server, *server.children(recursive=True)]
        for process in stopped[1:]:
            process.suspend()
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


@dataclass(slots=True)
class Seen:
    """What callers saw of an outage."""

    jobs: list[str] = field(default_factory=list)  # accepted meanwhile
    took_s: list[float] = field(default_factory=list)  # to accept each
    waited: Counter[int] = field(default_factory=Counter)  # statuses that sync callers got

    def submit_for(self, caller: Caller, seconds: float) -> None:
        """Submit a job every 0.4 s, and look every 20 jobs at what must go on."""
        ends_s, pause = time.monotonic() + seconds, threading.Event()
        while time.monotonic() < ends_s:
            began = time.monotonic()
            self.jobs.append(caller.submit(f"number {len(self.jobs)}"))
            self.took_s.append(time.monotonic() - began)
            if len(self.jobs) % 20 == 0:
                _assert_serves_what_it_can(caller, self.jobs[-2])
            pause.wait(0.4)

    @contextlib.contextmanager
    def waiting(self, caller: Caller) -> Iterator[None]:
        """Have a sync caller ask again and again for the length of the block."""
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                self.waited[caller.chat("and wait").status_code] += 1

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@pytest.mark.timeout(AWAY_S + 240)
def test_five_minutes_without_redis(caller: Caller) -> None:
    system, seen = caller.system, Seen()
    together(32, lambda number: caller.chat(f"{number}").status_code)  # so that threads are there
    before = _threads(system)

    with _without_redis(system):
        with seen.waiting(caller):
            seen.submit_for(caller, AWAY_S / 2)
            lost = _kill_in_mid_job(caller)
            seen.submit_for(caller, AWAY_S / 2)
        # Its lease has lapsed by PostgreSQL's clock, and nobody needed a message for that.
        assert caller.job(lost)["status"] == "completed"
        assert caller.row(lost)["attempt"] == 2
        after = _threads(system)

    slowest = sorted(seen.took_s)
    assert slowest[int(0.99 * len(slowest))] < SUBMIT_P99_S, slowest[-10:]
    assert set(seen.waited) == {200}, seen.waited  # by the row, which is looked at every second
    _assert_flat(before, after)
    assert {caller.ended(job)["status"] for job in seen.jobs} == {"completed"}
    until(lambda: caller.balance()[1] == 0, what="the holds to be settled")
    assert system.verify_ledger()["clean"]


def _assert_flat(before: dict[str, int], after: dict[str, int]) -> None:
    assert all(after[name] <= before[name] + FLAT for name in before), (before, after)


def _assert_serves_what_it_can(caller: Caller, job: str) -> None:
    assert caller.get("/health").status_code == 200
    assert caller.get("/ready").status_code == 503
    assert caller.get(f"/v1/jobs/{job}").status_code == 200
    assert caller.get("/v1/jobs?limit=5").status_code == 200


def _kill_in_mid_job(caller: Caller) -> str:
    """Kill the worker that runs a job; return the job."""
    job = caller.submit(WORDS, model="echo-slow")
    until(lambda: caller.row(job)["state"] == "running", what="the job to run")
    name = "worker-" + str(caller.row(job)["worker"]).partition("@")[0]
    os.kill(caller.system.pid(name), signal.SIGKILL)
    return job


@pytest.mark.timeout(FROZEN_S + 180)
def test_a_minute_of_a_postgresql_that_does_not_move(caller: Caller) -> None:
    system = caller.system
    accepted = [caller.submit(f"before {number}") for number in range(5)]
    together(32, lambda number: caller.chat(f"{number}").status_code)
    before = _threads(system)
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}]}
    asked = [
        ("POST", "/v1/chat/completions", body),
        ("POST", "/v1/chat/completions", body | {"mode": "async"}),
        ("POST", "/v1/chat/completions", body | {"stream": True}),
        ("GET", "/v1/jobs", None),
        ("GET", f"/v1/jobs/{accepted[0]}", None),
        ("POST", f"/v1/jobs/{accepted[0]}/cancel", None),
    ]

    def ask(number: int) -> tuple[int, float]:
        method, path, sent = asked[number % len(asked)]
        began = time.monotonic()
        answer = caller.request(method, path, json=sent, timeout=60)
        return answer.status_code, time.monotonic() - began

    with _frozen_postgresql(system):
        ends_s = time.monotonic() + FROZEN_S
        while time.monotonic() < ends_s:
            answers = together(4 * len(asked), ask)
            assert {status for status, _ in answers} == {503}, answers
            assert max(took for _, took in answers) < REFUSED_WITHIN_S, answers
            _assert_tells_of_itself(system)
        after = _threads(system)

    system.wait_ready()
    until(lambda: caller.chat("after").status_code == 200, what="a chat to be answered")
    _assert_flat(before, after)
    assert {caller.ended(job)["status"] for job in accepted} == {"completed"}
    until(lambda: caller.balance()[1] == 0, what="the holds to be settled")
    assert until(lambda: _ledger(system), what="commands to meet the database again")["clean"]


def _assert_tells_of_itself(system: System) -> None:
    token = {"Authorization": f"Bearer {system.env['GENIE_METRICS_TOKEN']}"}
    for path, status, limit_s in (("/health", 200, 2), ("/ready", 503, 6), ("/metrics", 200, 5)):
        answer = requests.get(system.base_url + path, headers=token, timeout=limit_s)
        assert answer.status_code == status, (path, answer.text)


def _ledger(system: System) -> dict[str, object] | None:
    """Return the ledger's report; None while the commands' process has connections of before."""
    try:
        return system.verify_ledger()
    except AssertionError as error:
        if "does not answer" in str(error):
            return None
        raise
