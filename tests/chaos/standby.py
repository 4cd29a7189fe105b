"""A second Redis-compatible server that can follow the first, and take its place."""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator

import redis

from genie.standalone import embedded_redis, ports
from genie.standalone.embedded_redis import Redis
from genie.standalone.servers import Servers
from tests.acceptance.system import until

LIMIT_S = 20.0  # for the whole of its data to be copied


@contextlib.contextmanager
def running(servers: Servers) -> Iterator[Redis]:
    """Run a second server, empty, with the first one's password, for the length of the block."""
    first = servers.redis
    home = first.home.with_name("redis-standby")
    second = embedded_redis.prepare(
        home, port=ports.free_port(), password=first.password, log_path=first.log_path
    )
    spec = dataclasses.replace(second.spec, name="redis-standby")
    servers.supervisor.start(spec).wait_ready()
    try:
        yield second
    finally:
        servers.supervisor.stop([spec.name])
        shutil.rmtree(home)


def follow(one: Redis, other: Redis) -> None:
    """Make one a copy of the other, and wait until it is."""
    with redis.Redis.from_url(one.url) as client:
        client.config_set("masterauth", other.password)
        client.replicaof(ports.LOOPBACK, other.port)
        until(
            lambda: client.info("replication")["master_link_status"] == "up",
            what="the replica to have everything",
            limit_s=LIMIT_S,
        )


def lead(one: Redis) -> None:
    """Let a copy go its own way."""
    with redis.Redis.from_url(one.url) as client:
        client.replicaof("NO", "ONE")
