"""PostgreSQL from a wheel: initialize it, describe how to run it, and make role and database.

Calls the wheel's `initdb` and `postgres` directly; the wheel's own launcher would add a user to the
machine when run as root. Configuration files belong to us and lie outside the data directory, which
belongs to PostgreSQL.
"""

import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from genie.standalone import launch, placement, state
from genie.standalone.errors import StandaloneError
from genie.standalone.placement import Placement
from genie.standalone.ports import LOOPBACK
from genie.standalone.process import ProcessSpec, StopStep

ROLE = DATABASE = "genie"
ADMIN = "postgres"
MAX_CONNECTIONS = 200
SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": str(MAX_CONNECTIONS),
    "password_encryption": "scram-sha-256",
    # A 202 promises durability.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "512MB",
    # A dead client's locks end; a black hole is noticed.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "deadlock_timeout": "1s",
    "log_lock_waits": "on",
    # Values of statements are tenants' data: no parameters, no failed statement, no DETAIL in logs.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # compiling costs more than our short statements do
}
ACCESS = f"host all all {LOOPBACK}/32 scram-sha-256\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """An initialized server that listens on `port` once its process runs."""

    place: Placement
    port: int
    password: str
    admin_password: str
    log_path: Path

    @property
    def url(self) -> str:
        """Return DATABASE_URL for the application's role, which is no superuser."""
        return f"postgresql://{ROLE}:{self.password}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def spec(self) -> ProcessSpec:
        """Return how to run it."""
        directory = self.place.directory
        config = directory / "postgresql.conf"
        return ProcessSpec(
            name="postgres",
            argv=(
                str(self.place.programs / "postgres"),
                "-D",
                str(directory / "data"),
                f"--config-file={config}",
            ),
            env=_environment(),
            cwd=directory / "data",
            log_path=self.log_path,
            run_as=self.place.run_as,
            orphan_signal=signal.SIGINT,  # its fast shutdown
            stop=(
                StopStep(signal=signal.SIGTERM, wait_s=3.0),  # smart: waits for clients
                StopStep(signal=signal.SIGINT, wait_s=60.0),  # fast: ends them
            ),
            ready=self.is_ready,
            hurries=False,
        )

    def is_ready(self) -> bool:
        """Tell whether it answers."""
        try:
            self.connect_admin().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect_admin(self, database: str = ADMIN) -> "psycopg.Connection[tuple[object, ...]]":
        """Connect as the superuser, who owns nothing of the application's."""
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user=ADMIN,
            password=self.admin_password,
            dbname=database,
            autocommit=True,
            connect_timeout=2,
        )

    def ensure_database(self) -> None:
        """Make the application's role and database; does nothing where they exist."""
        role, database = sql.Identifier(ROLE), sql.Identifier(DATABASE)
        with self.connect_admin() as connection:
            if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", ROLE):
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(
                        role, sql.Literal(self.password)
                    )
                )
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))


def prepare(
    home: Path, *, port: int, password: str, admin_password: str, log_path: Path
) -> Postgres:
    """Return a server whose data lies in `home` (or where placement puts it), initialized.

    Raises:
        StandaloneError: the wheel is missing, or initdb fails.
    """
    place = placement.decide(home)
    state.check_space(place.directory)
    if not (place.directory / "data" / "PG_VERSION").exists():
        _initialize(place, admin_password)
    _configure(place, port)
    return Postgres(
        place=place,
        port=port,
        password=password,
        admin_password=admin_password,
        log_path=log_path,
    )


def _initialize(place: Placement, admin_password: str) -> None:
    """Run initdb beside the final place and move the result there, so that half of it never counts."""
    scratch, secret = place.directory / "data.new", place.directory / "initdb-password"
    shutil.rmtree(scratch, ignore_errors=True)
    state.write_private(secret, f"{admin_password}\n")
    scratch.mkdir(mode=0o700)
    if place.run_as is not None:
        for path in (secret, scratch):
            os.chown(path, place.run_as.uid, place.run_as.gid)
    try:
        _initdb(place, scratch, secret)
    except StandaloneError:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    finally:
        secret.unlink(missing_ok=True)
    scratch.rename(place.directory / "data")


def _initdb(place: Placement, data: Path, secret: Path) -> None:
    user = place.run_as
    shim = [os.getpid(), int(signal.SIGTERM)]
    shim += [launch.KEEP, launch.KEEP] if user is None else [user.uid, user.gid]
    command = [
        str(place.programs / "initdb"),
        f"--pgdata={data}",
        f"--username={ADMIN}",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",  # does not depend on the machine's locales
        "--builtin-locale=C.UTF-8",
    ]
    result = subprocess.run(  # noqa: S603 - argv is ours
        [sys.executable, "-I", "-S", launch.__file__, *map(str, shim), *command],
        env=_environment(),
        cwd=place.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        reason = _reason(result.stderr)
        raise StandaloneError(f"PostgreSQL could not be initialized in {data.parent}: {reason}")


def _reason(stderr: str) -> str:
    """Return the line that says why initdb failed."""
    if "disk space" in stderr or "No space left" in stderr:
        return "the disk is full"
    lines = stderr.splitlines()
    telling = [line for line in lines if "error" in line.lower() or "FATAL" in line]
    return next(iter([*telling, *lines]), "it wrote no message")


def _configure(place: Placement, port: int) -> None:
    access = place.directory / "pg_hba.conf"
    paths = {"hba_file": str(access), "ident_file": str(access.with_name("pg_ident.conf"))}
    lines = [
        f"{name} = '{value}'" for name, value in {**SETTINGS, **paths, "port": str(port)}.items()
    ]
    # Readable by the user that the server runs as; there is no secret in them.
    state.write_private(access, ACCESS, mode=0o644)
    state.write_private(access.with_name("pg_ident.conf"), "", mode=0o644)
    state.write_private(access.with_name("postgresql.conf"), "\n".join(lines) + "\n", mode=0o644)


@functools.cache
def _environment() -> dict[str, str]:
    """Return a bare environment: the caller's secrets are no business of PostgreSQL."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _exists(
    connection: "psycopg.Connection[tuple[object, ...]]", query: LiteralString, name: str
) -> bool:
    return connection.execute(query, [name]).fetchone() is not None
