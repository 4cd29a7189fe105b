"""No prompt, key or webhook secret shows in a log, in Redis, in Flower, in an error or in pg_stat_activity.

Marker secrets go through every way that a job can take, while everything that is said to Redis and
everything that PostgreSQL tells about its sessions is recorded.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests

from genie.standalone import ports, stack
from tests.acceptance.callers import Caller
from tests.acceptance.receivers import Receiver
from tests.acceptance.system import BASE_DIR, System, until

PROMPT = "quetzalcanaryprompt"
ANSWER = "quetzalcanaryanswer"  # echoed, so it is in its own job's stream in Redis; nowhere else
SECRET = "quetzalcanarysecret"


class Ears:
    """Hears all that Redis is told and all that PostgreSQL shows of its sessions while it is open."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._stop = threading.Event()
        self._redis = bytearray()
        self.statements: set[str] = set()
        self._threads = [threading.Thread(target=one) for one in (self._monitor, self._watch)]
        self._listening = threading.Barrier(3)

    @property
    def told_redis(self) -> str:
        return self._redis.decode("utf-8", "replace")

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        self._listening.wait(10)
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(10)

    def _monitor(self) -> None:
        address = urlsplit(self._system.env["REDIS_URL"])
        with socket.create_connection((address.hostname or "", address.port or 6379), 5) as link:
            if address.password:
                link.sendall(f"AUTH {address.password}\r\n".encode())
            link.sendall(b"MONITOR\r\n")
            assert b"+OK" in link.recv(4096)
            link.settimeout(0.1)
            self._listening.wait(10)
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    self._redis += link.recv(1 << 20)

    def _watch(self) -> None:
        with psycopg.connect(self._system.env["DATABASE_URL"], autocommit=True) as connection:
            self._listening.wait(10)
            while not self._stop.wait(0.002):
                rows = connection.execute("SELECT DISTINCT query FROM pg_stat_activity").fetchall()
                self.statements.update(str(row[0]) for row in rows)


@pytest.fixture
def flower(system: System) -> Iterator[Callable[[], str]]:
    """Run Flower beside the system; return what it shows of workers and tickets."""
    port = ports.free_port()
    layout = stack.Layout(base_dir=BASE_DIR, env=system.env, logs=system.directory / "logs")
    spec = stack.flower(layout, port=port, password="open", cookie_secret="c" * 48)

    def shown() -> str:
        table = "/tasks/datatable?draw=1&start=0&length=1000&order[0][column]=0"
        pages = ("/api/tasks?limit=1000", "/api/workers", "/tasks", "/broker", table)
        answers = [
            requests.get(
                f"http://127.0.0.1:{port}{page}", auth=(stack.FLOWER_USER, "open"), timeout=10
            )
            for page in pages
        ]
        return "".join(answer.text for answer in answers)

    def is_up() -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{port}/healthcheck", timeout=5).ok
        return False

    system.supervisor.start(spec)
    until(is_up, what="Flower", limit_s=60)
    yield shown
    system.supervisor.stop([spec.name])


def logs_of(directory: Path) -> str:
    """Return every log of the system: its processes, its servers, its commands."""
    found = [*directory.rglob("*.log"), *(directory / "logs").rglob("*")]
    return "".join(one.read_text("utf-8", "replace") for one in set(found) if one.is_file())


def messages() -> list[dict[str, str]]:
    return [{"role": "system", "content": PROMPT}, {"role": "user", "content": ANSWER}]


def send(caller: Caller, model: str, **fields: Any) -> requests.Response:
    body = {"model": model, "messages": messages(), **fields}
    return caller.post("/v1/chat/completions", body)


def test_secrets_show_nowhere(
    system: System, caller: Caller, receiver: Receiver, flower: Callable[[], str]
) -> None:
    ears = Ears(system)
    hooks = [{"url": receiver.url(f"/canary-{n}/{status}"), "secret": SECRET} for n, status in
             enumerate(("200", "500,200", "410"))]  # fmt: skip
    with ears.open():
        answers = [send(caller, "echo"), send(caller, "echo", mode="stream")]
        asynchronous = [send(caller, "echo", mode="async", webhook=hook) for hook in hooks]
        failing = send(caller, "echo-broken")
        lost = send(caller, "echo-broken", mode="async", webhook=hooks[0])
        refused = [
            send(caller, "echo", temperature=PROMPT),
            send(caller, "no-such-model"),
            send(caller, "echo", mode="async", webhook={"url": "ftp://x", "secret": SECRET}),
            caller.post("/v1/embeddings", {"model": "echo-embedding", "input": [PROMPT, 7]}),
            requests.get(
                f"{system.base_url}/v1/models",
                headers={"Authorization": f"Bearer {caller.key}x"},
                timeout=10,
            ),
        ]
        for answer in (*asynchronous, lost):
            caller.ended(answer.json()["id"])
        for hook in hooks[:2]:
            receiver.wait(urlsplit(hook["url"]).path)
        # The ticket follows its job, and Flower shows which one it carried.
        carried = asynchronous[0].json()["id"]
        until(lambda: carried in flower(), what="the ticket in Flower", limit_s=30)
        shown = flower()

    assert [one.status_code for one in answers] == [200, 200]
    assert {one.status_code for one in (*asynchronous, lost)} == {202}
    assert failing.status_code == 500
    assert min(one.status_code for one in refused) >= 400
    logs, statements = logs_of(system.directory), "".join(ears.statements)
    assert "jobs_job" in statements
    assert ANSWER in ears.told_redis  # so what is said there is heard
    assert " ready." in logs
    places = {
        "logs": logs,
        "Redis": ears.told_redis,
        "Flower": shown,
        "pg_stat_activity": statements,
        "errors": "".join(one.text for one in (failing, *refused)),
    }
    secrets = (PROMPT, SECRET, caller.key)
    assert [(place, one) for place, text in places.items() for one in secrets if one in text] == []
    beside_its_job = {place: text for place, text in places.items() if place != "Redis"}
    assert [place for place, text in beside_its_job.items() if ANSWER in text] == []
