"""PostgreSQL: where it is, and how a process keeps its connections."""

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from genie.core import env


def _database() -> dict[str, Any]:
    """Return Django's DATABASES entry for ``DATABASE_URL`` (any libpq URL, a socket too)."""
    try:
        # Where PostgreSQL is: any URL of libpq, a socket too.
        parts = conninfo_to_dict(env.text("DATABASE_URL"))
    except ProgrammingError:  # its message has the value, which has the password
        raise env.SettingError(
            "DATABASE_URL is not understood; write postgresql://user:password@host:5432/name."
        ) from None
    return {
        "ENGINE": "genie.core.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        # Threads of ours keep their connection; request threads give theirs back to the pool.
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,  # the backend has its own, which is never slow to give up
        "OPTIONS": {
            "pool": {
                "min_size": 0,
                # Connections of one process to PostgreSQL, at most.
                "max_size": env.integer("GENIE_DB_POOL", 12),
                # What a caller waits in an outage, and perhaps once more behind another's question:
                # 503 within 2 s. Who waits behind a batch that got no connection is told with it.
                "timeout": 1,
                # The pool's own back-off doubles, so that after an outage it would stay away for as
                # long again. Given up at once, the next request tries anew.
                "reconnect_timeout": 0,
            },
            # Values travel apart from the statement, so none shows in pg_stat_activity or its log.
            "server_side_binding": True,
            "prepare_threshold": 5,
            "connect_timeout": 2,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20000,
            # A dead client's locks end, and a hot row is an error rather than a queue.
            "options": (
                "-c statement_timeout=10s -c lock_timeout=2s -c idle_in_transaction_session_timeout=30s"
                " -c timezone=UTC"
            ),
            **{
                name: value
                for name, value in parts.items()
                if name not in ("options", "connect_timeout")
            },
        },
    }


DATABASES = {"default": _database()}
