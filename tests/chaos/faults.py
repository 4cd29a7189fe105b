"""What each kind of fault does to the running system, and how it is healed."""

import contextlib
import random
import secrets
import shutil
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis

from genie.standalone.embedded_redis import MAX_MEMORY
from genie.standalone.ports import LOOPBACK
from genie.standalone.supervisor import Supervisor
from tests.acceptance.system import System, until
from tests.chaos import standby
from tests.chaos.plan import Planned
from tests.chaos.proxy import Link, Proxy

SLOW_S = 0.2  # each way
LOSS = 0.1  # of the packets of a slow link
SWIZZLE_S = 0.5  # between two links that are clogged, or healed
CUTS = 6
DOUBLED = 5
AWAY = (redis.RedisError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The system and what faults are done with."""

    system: System
    organizations: tuple[str, ...]
    proxy: Proxy | None = None
    links: Mapping[tuple[str, str], Link] = field(default_factory=dict)  # of a kind, to a server


Heal = Callable[[], object]
Fault = Callable[[Stage, Planned], Heal | None]


def inject(stage: Stage, planned: Planned) -> Heal | None:
    """Do the fault; return what heals it, for after its time, or None where it heals by itself."""
    return _FAULTS[planned.kind](stage, planned)


# --- processes ---------------------------------------------------------------------------------


def _signal(number: signal.Signals) -> Fault:
    def send(stage: Stage, planned: Planned) -> None:
        _send(stage.system.supervisor, planned.target, number)

    return send


def _send(supervisor: Supervisor, name: str, number: signal.Signals) -> None:
    supervisor.process(
        name
    )._backoff.failures = 0  # started again at once, however often it is hurt
    with contextlib.suppress(ProcessLookupError):  # it is just being started
        supervisor.signal(name, number)


def _freeze(stage: Stage, planned: Planned) -> Heal:
    _send(stage.system.supervisor, planned.target, signal.SIGSTOP)
    return lambda: _send(stage.system.supervisor, planned.target, signal.SIGCONT)


def _second_beat(stage: Stage, _: Planned) -> Heal:
    """Run a second maintenance process beside the first: two beats, two sweeps."""
    name = stage.system.start_maintenance_again()
    return lambda: stage.system.supervisor.stop([name])


# --- Redis -------------------------------------------------------------------------------------


def _kill_server(stage: Stage, planned: Planned) -> Heal:
    servers = stage.system.servers
    spec = {"redis": servers.redis.spec, "postgres": servers.postgres.spec}[planned.target]
    _send(servers.supervisor, planned.target, signal.SIGKILL)
    ready = spec.ready
    assert ready is not None
    return lambda: until(ready, what=f"{planned.target} to be back", limit_s=60)


def _outage(stage: Stage, planned: Planned) -> Heal:
    servers = stage.system.servers
    spec = {"redis": servers.redis.spec, "postgres": servers.postgres.spec}[planned.target]
    servers.supervisor.stop([planned.target])
    return lambda: servers.supervisor.start(spec).wait_ready()


def _wipe(stage: Stage, planned: Planned) -> Heal:
    heal = _outage(stage, planned)
    shutil.rmtree(stage.system.servers.redis.home / "appendonlydir")
    return heal


def _ask_redis(stage: Stage, ask: Callable[["redis.Redis"], Any]) -> None:
    with stage.system.redis() as client, contextlib.suppress(*AWAY):  # it is being started
        ask(client)


def _flush(stage: Stage, _: Planned) -> None:
    _ask_redis(stage, lambda client: client.flushall())


def _fill(stage: Stage, _: Planned) -> Heal:
    _ask_redis(stage, lambda client: client.config_set("maxmemory", "1mb"))
    return lambda: _ask_redis(stage, lambda client: client.config_set("maxmemory", MAX_MEMORY))


def _change_password(stage: Stage, _: Planned) -> Heal:
    """Let nobody in who comes with the password that all have, and put everybody out."""
    url, other = stage.system.servers.redis_url, secrets.token_hex(8)
    first = stage.system.servers.redis.password

    def change(url: str, password: str) -> None:
        with redis.Redis.from_url(url) as client, contextlib.suppress(*AWAY):
            client.config_set("requirepass", password)
            client.client_kill_filter(_type="normal", skipme=True)

    change(url, other)
    return lambda: change(url.replace(first, other), first)


def _demote(stage: Stage, _: Planned) -> Heal:
    """Make it a replica of a server that does not answer: it refuses whoever writes."""
    _ask_redis(stage, lambda client: client.replicaof(LOOPBACK, 1))
    return lambda: _ask_redis(stage, lambda client: client.replicaof("NO", "ONE"))


# --- PostgreSQL --------------------------------------------------------------------------------

_TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE usename = 'genie' AND application_name <> 'chaos' AND random() < %s
"""
_LIMITS = {n: f"ALTER ROLE genie CONNECTION LIMIT {n}".encode() for n in (0, -1)}
_LOCK = """
SELECT w.id FROM budgets_window w JOIN tenants_organization o ON o.id = w.subject_id
 WHERE o.slug = ANY(%s) ORDER BY w.id FOR UPDATE OF w
"""


def _terminate(stage: Stage, planned: Planned) -> None:
    share = random.Random(planned.seed).choice((0.3, 1.0))  # noqa: S311 - as planned
    with (
        contextlib.suppress(psycopg.OperationalError),
        stage.system.servers.postgres.connect_admin() as connection,
    ):
        connection.execute(_TERMINATE, [share])


def _exhaust(stage: Stage, planned: Planned) -> Heal:
    """Let nobody connect any more, as where others have taken every connection."""

    def limit(connections: int) -> None:
        with (
            contextlib.suppress(psycopg.OperationalError),
            stage.system.servers.postgres.connect_admin() as connection,
        ):
            connection.execute(_LIMITS[connections])

    limit(0)
    _terminate(stage, planned)
    return lambda: limit(-1)


def _lock(stage: Stage, planned: Planned) -> Heal | None:
    """Hold the counters of a few organisations, as a transaction that somebody left open does."""
    draw = random.Random(planned.seed)  # noqa: S311 - as planned
    hurt = draw.sample(stage.organizations, k=min(3, len(stage.organizations)))
    try:
        connection = psycopg.connect(
            stage.system.servers.database_url, application_name="chaos", connect_timeout=2
        )
        connection.execute(_LOCK, [hurt])
    except psycopg.OperationalError:
        return None  # the server is away, so nobody needs a lock to wait for it

    def release() -> None:
        with contextlib.suppress(psycopg.OperationalError):
            connection.rollback()
        connection.close()

    return release


_UNENDED = """
SELECT queue, array_agg(id::text) FROM (
  SELECT j.queue, j.id FROM jobs_job j JOIN tenants_organization o ON o.id = j.organization_id
   WHERE o.slug = ANY(%s) ORDER BY j.id DESC LIMIT 200) AS newest GROUP BY queue
"""


def _double(stage: Stage, _: Planned) -> None:
    """Send tickets again, several times, for the newest jobs: for most of them they come too late."""
    with contextlib.suppress(psycopg.OperationalError):
        for queue, job_ids in stage.system.sql(_UNENDED, list(stage.organizations)):
            for _again in range(DOUBLED):
                stage.system.run_command("send_tickets", queue, *job_ids)


# --- links -------------------------------------------------------------------------------------


def _on_links(
    hurt: Callable[[Proxy, Link], None], heal: Callable[[Proxy, Link], None] | None
) -> Fault:
    """Return a fault of every link to the server."""

    def inject_on_links(stage: Stage, planned: Planned) -> Heal | None:
        proxy, links = _links(stage, planned)

        def on_each(do: Callable[[Proxy, Link], None]) -> None:
            for link in links:
                do(proxy, link)

        on_each(hurt)
        return None if heal is None else lambda: on_each(heal)

    return inject_on_links


def _swizzle(stage: Stage, planned: Planned) -> Heal:
    """Clog a few links one after the other; heal them one after the other, in another order."""
    proxy, draw = _proxy(stage, planned), random.Random(planned.seed)  # noqa: S311 - as planned
    links = draw.sample(list(stage.links.values()), k=draw.randint(2, len(stage.links)))
    pause = threading.Event()
    for link in links:
        proxy.stall(link, stalled=True)
        pause.wait(draw.uniform(0.0, SWIZZLE_S))
    draw.shuffle(links)

    def heal() -> None:
        for link in links:
            proxy.stall(link, stalled=False)
            pause.wait(draw.uniform(0.0, SWIZZLE_S))

    return heal


def _fail_over(stage: Stage, planned: Planned) -> Heal:
    """Let a replica take the server's place that lacks the latest writes, and then the server again.

    As where a sentinel, or whatever watches the address, decides so.
    """
    proxy, links = _links(stage, planned)
    first = stage.system.servers.redis
    until(first.is_ready, what="Redis, which an earlier fault has hurt")
    with standby.running(stage.system.servers) as second:
        standby.follow(second, first)
        standby.lead(second)  # what is written from here on is lost
        threading.Event().wait(planned.lasts_s)
        for link in links:
            proxy.lead(link, second.port)
        threading.Event().wait(planned.lasts_s)
        standby.follow(first, second)
        standby.lead(first)
        for link in links:
            proxy.lead(link, first.port)
    return lambda: None


def _links(stage: Stage, planned: Planned) -> tuple[Proxy, Sequence[Link]]:
    """Return every link to the server that is hurt."""
    links = [link for (_, server), link in stage.links.items() if server == planned.target]
    return _proxy(stage, planned), links


def _proxy(stage: Stage, planned: Planned) -> Proxy:
    assert stage.proxy is not None, f"{planned.kind} needs a proxy"
    return stage.proxy


_BLACK_HOLE = _on_links(
    lambda proxy, link: proxy.stall(link, stalled=True),
    lambda proxy, link: proxy.stall(link, stalled=False),
)
_FAULTS: Mapping[str, Fault] = {
    "kill-worker": _signal(signal.SIGKILL),
    "freeze-worker": _freeze,
    "term-worker": _signal(signal.SIGTERM),
    "quit-worker": _signal(signal.SIGQUIT),
    "kill-web": _signal(signal.SIGKILL),
    "term-web": _signal(signal.SIGTERM),
    "freeze-web": _freeze,
    "kill-webhooks": _signal(signal.SIGKILL),
    "freeze-webhooks": _freeze,
    "kill-maintenance": _signal(signal.SIGKILL),
    "freeze-maintenance": _freeze,
    "redis-kill": _kill_server,
    "redis-wipe": _wipe,
    "redis-flush": _flush,
    "redis-outage": _outage,
    "redis-full": _fill,
    "redis-black-hole": _BLACK_HOLE,
    "redis-slow": _on_links(
        lambda proxy, link: proxy.slow(link, SLOW_S, loss=LOSS),
        lambda proxy, link: proxy.slow(link, 0.0),
    ),
    "redis-reset": _on_links(lambda proxy, link: proxy.reset(link), None),
    "postgres-kill": _kill_server,
    "postgres-outage": _outage,
    "postgres-terminate": _terminate,
    "postgres-black-hole": _BLACK_HOLE,
    "postgres-cut-commits": _on_links(
        lambda proxy, link: proxy.cut_commits(link, CUTS),
        lambda proxy, link: proxy.cut_commits(link, 0),
    ),
    "postgres-full": _exhaust,
    "redis-password": _change_password,
    "redis-replica": _demote,
    "redis-failover": _fail_over,
    "second-beat": _second_beat,
    "swizzle": _swizzle,
    "locks": _lock,
    "doubled-tickets": _double,
}


class Injector:
    """Does the planned faults at their times, and heals them; keeps a timeline."""

    def __init__(self, stage: Stage, note: Callable[..., None]) -> None:
        self._stage = stage
        self._note = note
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        # One at a time hurts a target: some take longer than was planned.
        self._turns = defaultdict[str, threading.Lock](threading.Lock)
        self.trouble: list[str] = []

    def start(self, planned: list[Planned]) -> None:
        """Begin the schedule now; returns at once."""
        for one in planned:
            turn = self._turns[one.target]
            thread = threading.Thread(target=self._do, args=(one, turn), name=f"fault-{one.number}")
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Let no further fault begin, heal those under way, and wait for that."""
        self._over.set()
        self.join()

    def join(self) -> None:
        """Wait for the last fault to be healed."""
        for thread in self._threads:
            thread.join()

    @property
    def done(self) -> bool:
        """Whether every fault has been done and healed."""
        return not any(thread.is_alive() for thread in self._threads)

    def _do(self, planned: Planned, turn: threading.Lock) -> None:
        if self._over.wait(planned.at_s):
            return
        with turn:
            try:
                self._note("fault", planned)
                heal = inject(self._stage, planned)
                self._over.wait(planned.lasts_s)
                if heal is not None:
                    heal()
                self._note("healed", planned)
            except Exception as error:
                self.trouble.append(f"fault {planned.number} ({planned.kind}): {error!r}")
