"""Django's PostgreSQL backend, with a pool that is well again as soon as the server is.

After a restart or a failover every connection in the pool is broken, or leads to a server that only
reads. Of broken ones psycopg_pool's own check looks at two and then sleeps for a second, which is all
the time that a caller has, so ``CONN_HEALTH_CHECKS`` is off and connections are checked here; and it
never asks whether a connection may still write.
"""

import contextlib
import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Error as DriverError
from psycopg_pool import PoolTimeout

_BELIEVED_S = 1.0  # so long a session that only reads is taken for what is so
# PostgreSQL tells these of a session without being asked, from version 14 on.
_ONLY_READS = ("default_transaction_read_only", "in_hot_standby")

# A plan that was made for an empty table reads all of it, also when it is no longer empty.
_PLANS_LAST_S = 1.0
_KEEP_PLANS = "SET plan_cache_mode TO force_generic_plan; DISCARD PLANS"
# As the server is configured, for whoever has the connection next: kept plans would be taken for cheap.
_KEEP_NO_PLANS = "RESET plan_cache_mode; DISCARD PLANS"


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's connection, from the pool of its process."""

    _keeps_plans = False
    _planned_at = 0.0  # on the monotonic clock

    def keep_plans(self) -> None:
        """Have this thread's statements planned once a second, and not for the values of each call.

        To be called before each of its transactions; it asks the server at most once a second.

        Raises:
            django.db.Error: The connection is broken.
        """
        is_old = time.monotonic() > self._planned_at + _PLANS_LAST_S
        if self.connection is not None and (is_old or not self._keeps_plans):
            with self.wrap_database_errors:
                self.connection.execute(_KEEP_PLANS)
            self.connection.keeps_plans = True
            self._planned_at = time.monotonic()
        self._keeps_plans = True

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
            if self._suits(taken) and not (is_old and _only_reads(taken)):
                return taken
            taken.close()
            self.pool.putconn(taken)  # which throws it out, and makes another
            if time.monotonic() > began + self.pool.timeout:
                raise PoolTimeout("no connection of the pool works")

    def _suits(self, taken: Any) -> bool:
        """Tell whether a connection works, by asking it to plan as this thread wants."""
        had_autocommit = taken.autocommit
        kept = getattr(taken, "keeps_plans", False)  # our own note on it
        command = _KEEP_PLANS if self._keeps_plans else _KEEP_NO_PLANS if kept else ""
        try:
            taken.autocommit = True  # or it would begin a transaction
            taken.execute(command)
        except DriverError:
            return False
        finally:
            with contextlib.suppress(DriverError):  # it is broken, which has been told
                taken.autocommit = had_autocommit
        taken.keeps_plans = self._keeps_plans
        self._planned_at = time.monotonic()
        return True

    def _close(self) -> None:
        """Give the connection back to the pool; one that only reads is ended instead.

        So a process meets the primary again after a failover, or a setting that was corrected, without
        a restart.
        """
        if self.connection is not None and self.pool and _only_reads(self.connection):
            self.connection.close()
        super()._close()  # type: ignore[misc] # the stubs leave it out


def _only_reads(connection: Any) -> bool:
    return not connection.closed and any(
        connection.info.parameter_status(name) == "on" for name in _ONLY_READS
    )
