"""Django's PostgreSQL backend, with a pool that is well again as soon as the server is.

After a restart or a failover every connection in the pool is broken, or leads to a server that only
reads. Of broken ones psycopg_pool's own check looks at two and then sleeps for a second, which is all
the time that a caller has, so ``CONN_HEALTH_CHECKS`` is off and connections are checked here; and it
never asks whether a connection may still write.
"""

import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Error as DriverError
from psycopg_pool import ConnectionPool, PoolTimeout

_BELIEVED_S = 1.0  # so long a session that only reads is taken for what is so
# PostgreSQL tells these of a session without being asked, from version 14 on.
_ONLY_READS = ("default_transaction_read_only", "in_hot_standby")


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's connection, from the pool of its process."""

    def get_new_connection(self, conn_params: Any) -> Any:
        """Take a connection from the pool, past all that have broken meanwhile.

        Raises:
            PoolTimeout: There was none that works within the pool's timeout.
        """
        if self.pool is None:
            return super().get_new_connection(conn_params)
        began = time.monotonic()
        while True:
            taken = super().get_new_connection(conn_params)
            # One that only reads may be from before the server was told to write again, so it is
            # asked anew, though not more often than this: a standby goes on answering reads.
            is_old = taken._created_at < began - _BELIEVED_S  # noqa: SLF001 - the pool's own note
            if _works(taken) and not (is_old and _only_reads(taken)):
                return taken
            taken.close()
            self.pool.putconn(taken)  # which throws it out, and makes another
            if time.monotonic() > began + self.pool.timeout:
                raise PoolTimeout("no connection of the pool works")

    def _close(self) -> None:
        """Give the connection back to the pool; one that only reads is ended instead.

        So a process meets the primary again after a failover, or a setting that was corrected, without
        a restart.
        """
        if self.connection is not None and self.pool and _only_reads(self.connection):
            self.connection.close()
        super()._close()  # type: ignore[misc] # the stubs leave it out


def _works(connection: Any) -> bool:
    try:
        ConnectionPool.check_connection(connection)
    except DriverError:
        return False
    return True


def _only_reads(connection: Any) -> bool:
    return not connection.closed and any(
        connection.info.parameter_status(name) == "on" for name in _ONLY_READS
    )
