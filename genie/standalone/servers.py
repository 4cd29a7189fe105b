"""The embedded PostgreSQL and Redis as one unit, for `make up` and for the test suite."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from genie.standalone import embedded_postgres, embedded_redis, placement, ports
from genie.standalone.embedded_postgres import Postgres
from genie.standalone.embedded_redis import Redis
from genie.standalone.errors import StandaloneError
from genie.standalone.supervisor import Supervisor

CONNECT_S = 5
STOP_ORDER = (("redis",), ("postgres",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Running servers; kill or stop one through `supervisor` by the name postgres or redis."""

    supervisor: Supervisor
    postgres: Postgres
    redis: Redis

    @property
    def database_url(self) -> str:
        """Return the address of the database `genie`, as a role that may create databases."""
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        """Return the address of the Redis-compatible server."""
        return self.redis.url


def require_postgres(url: str) -> None:
    """Try to connect to a database that the caller has named.

    Raises:
        StandaloneError: it does not answer, or does not let us in.
    """
    try:
        psycopg.connect(url, connect_timeout=CONNECT_S).close()
    except psycopg.Error as error:
        raise StandaloneError(_unreachable("DATABASE_URL", error)) from None


def require_redis(url: str) -> None:
    """Try to reach a Redis that the caller has named.

    Raises:
        StandaloneError: it does not answer, or does not let us in.
    """
    try:
        with redis.Redis.from_url(
            url, socket_connect_timeout=CONNECT_S, socket_timeout=CONNECT_S
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise StandaloneError(_unreachable("REDIS_URL", error)) from None


def _unreachable(name: str, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"The server that {name} names cannot be used: {reason.rstrip('.?')}; mend it or unset {name}."


@contextmanager
def temporary(directory: Path, *, say: Callable[[str], None] = lambda _: None) -> Iterator[Servers]:
    """Run both servers on free ports with durable settings, and leave nothing behind.

    Args:
        directory: an empty directory for their data and logs; made if there is none.
        say: told when a server ended by itself; it is restarted in any case.
    """
    supervisor = Supervisor(marker=secrets.token_hex(8), say=say)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)  # so that PostgreSQL's data can lie in it even when root runs the tests
    try:
        postgres = start_postgres(
            supervisor,
            directory / "postgres",
            port=ports.free_port(),
            password=secrets.token_hex(16),
            admin_password=secrets.token_hex(16),
            log_path=directory / "logs" / "postgres.log",
        )
        server = start_redis(
            supervisor,
            directory / "redis",
            port=ports.free_port(),
            password=secrets.token_hex(16),
            log_path=directory / "logs" / "redis.log",
        )
        yield Servers(supervisor=supervisor, postgres=postgres, redis=server)
    finally:
        supervisor.stop_all(*STOP_ORDER)
        placement.discard(directory / "postgres")


def start_postgres(
    supervisor: Supervisor,
    home: Path,
    *,
    port: int,
    password: str,
    admin_password: str,
    log_path: Path,
) -> Postgres:
    """Start PostgreSQL and return it once it answers and has the application's database."""
    postgres = embedded_postgres.prepare(
        home, port=port, password=password, admin_password=admin_password, log_path=log_path
    )
    supervisor.start(postgres.spec).wait_ready()
    postgres.ensure_database()
    return postgres


def start_redis(
    supervisor: Supervisor, home: Path, *, port: int, password: str, log_path: Path
) -> Redis:
    """Start the Redis-compatible server and return it once it answers."""
    server = embedded_redis.prepare(home, port=port, password=password, log_path=log_path)
    supervisor.start(server.spec).wait_ready()
    return server
