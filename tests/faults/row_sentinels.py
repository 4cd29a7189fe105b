"""F23: three sentinels let a replica take the place of a Redis that was killed.

Genie speaks to one address; what watches the sentinels and moves it (HAProxy, a service) is played here
by the proxy of the campaigns.
"""

import contextlib
import dataclasses
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from genie.standalone import embedded_redis, ports
from genie.standalone.embedded_redis import Redis
from genie.standalone.process import ProcessSpec
from tests.acceptance.callers import Caller
from tests.acceptance.system import System, until
from tests.chaos import standby
from tests.faults.conftest import Proxied

NAME = "genie"
SENTINELS, QUORUM = 3, 2
JOBS = 40  # before, and as many after the kill
CONFIG = """\
bind 127.0.0.1
port {port}
dir {directory}
set-proc-title no
sentinel monitor {name} 127.0.0.1 {first} {quorum}
sentinel auth-pass {name} {password}
sentinel down-after-milliseconds {name} 1000
sentinel failover-timeout {name} 6000
"""


@contextlib.contextmanager
def _sentinels(system: System, directory: Path) -> Iterator[list[int]]:
    """Run sentinels that watch the system's Redis; yield their ports once they know each other."""
    supervisor, first = system.servers.supervisor, system.servers.redis
    specs, listening = list[ProcessSpec](), list[int]()
    try:
        for number in range(SENTINELS):
            home, port = directory / f"sentinel-{number}", ports.free_port()
            home.mkdir()
            config = home / "sentinel.conf"
            config.write_text(
                CONFIG.format(
                    port=port,
                    directory=home,
                    name=NAME,
                    first=first.port,
                    quorum=QUORUM,
                    password=first.password,
                )
            )
            spec = dataclasses.replace(
                first.spec,
                name=home.name,
                argv=(str(embedded_redis.program()), str(config), "--sentinel"),
                cwd=home,
                ready=functools.partial(_has_found_a_replica, port),
            )
            specs.append(spec)
            listening.append(port)
            supervisor.start(spec).wait_ready()
        until(
            lambda: all(_others(port) == SENTINELS - 1 for port in listening),
            what="the sentinels to find each other",
        )
        yield listening
    finally:
        supervisor.stop([spec.name for spec in specs])


def _others(port: int) -> int | None:
    """Return how many other sentinels one knows that knows a replica; None while it does not."""
    with redis.Redis(port=port, socket_timeout=2) as client, contextlib.suppress(redis.RedisError):
        state = client.sentinel_master(NAME)
        return int(state["num-other-sentinels"]) if int(state["num-slaves"]) else None
    return None


def _has_found_a_replica(port: int) -> bool:
    return _others(port) is not None


def _first(sentinel: int) -> int:
    """Return the port of the server that a sentinel says is in charge."""
    with redis.Redis(port=sentinel, socket_timeout=2, decode_responses=True) as client:
        return int(client.sentinel_get_master_addr_by_name(NAME)[1])


def _kill(system: System) -> None:
    supervisor = system.servers.supervisor
    os.kill(supervisor.pids()["redis"], signal.SIGKILL)
    supervisor.stop(["redis"])  # so that it does not come back meanwhile


@contextlib.contextmanager
def _submitting(caller: Caller) -> Iterator[list[str]]:
    """Submit jobs for the length of the block."""
    jobs, over = list[str](), threading.Event()

    def submit() -> None:
        while not over.wait(0.05):
            jobs.append(caller.submit(f"during {len(jobs)}"))

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield jobs
    finally:
        over.set()
        thread.join()


@pytest.mark.timeout(180)
def test_sentinels_give_the_place_of_a_killed_redis_to_its_replica(
    proxied: Proxied, new_caller: Callable[[System], Caller], tmp_path: Path
) -> None:
    system, first = proxied.system, proxied.system.servers.redis
    caller = new_caller(system)
    assert caller.chat().status_code == 200

    with standby.running(system.servers) as second:
        standby.follow(second, first)
        _let_follow(first, second)
        with _sentinels(system, tmp_path) as sentinels, _submitting(caller) as jobs:
            until(lambda: len(jobs) >= JOBS, what="jobs to be under way")
            _kill(system)
            until(lambda: _first(sentinels[0]) == second.port, what="a failover", limit_s=30)
            proxied.lead(second.port)
            system.wait_ready()
            already = len(jobs)
            until(lambda: len(jobs) >= already + JOBS, what="jobs after the failover")
            assert caller.chat("after").status_code == 200
        ended = [caller.ended(job, limit_s=60) for job in jobs]
        _give_back(proxied, first, second)

    assert {job["status"] for job in ended} == {"completed"}
    until(lambda: caller.balance()[1] == 0, what="the holds to be settled")
    assert system.verify_ledger()["clean"]


def _let_follow(first: Redis, second: Redis) -> None:
    """Tell the server in charge how it may follow the other later, as sentinels presume."""
    with redis.Redis.from_url(first.url) as client:
        client.config_set("masterauth", second.password)


def _give_back(proxied: Proxied, first: Redis, second: Redis) -> None:
    proxied.system.servers.supervisor.start(first.spec).wait_ready()
    standby.follow(first, second)
    standby.lead(first)
    proxied.lead(first.port)
    proxied.system.wait_ready()
