"""What the database's own errors say: that it is away, only reads, or that a second try may do.

The one place that reads them, so that a caller is told the same wherever they are raised.
"""

from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection
from psycopg import Error as DriverError
from psycopg.errors import (
    DeadlockDetected,
    LockNotAvailable,
    ReadOnlySqlTransaction,
    SerializationFailure,
)
from psycopg_pool import PoolTimeout

from genie.core.errors import Unavailable

AWAY = "The database does not answer; nothing was accepted. Try again shortly."
ONLY_READS = "The database only reads at the moment, so nothing was accepted. Try again when it writes again."
_ONLY_READS_S = 5.0  # until a caller should try again: somebody has to mend it
_CONTENTION = (DeadlockDetected, LockNotAvailable, SerializationFailure)
# The session was ended (57P01 to 57P05), or its connection failed (class 08).
_LOST = ("57P0", "08")


def refusal(error: BaseException) -> Unavailable | None:
    """Return what a caller is told of an error of the database that passes; None for any other."""
    if only_reads(error):
        return Unavailable(ONLY_READS, retry_after_s=_ONLY_READS_S)
    if isinstance(error, (OperationalError, InterfaceError)):
        return Unavailable(AWAY)
    return None


def only_reads(error: BaseException) -> bool:
    """Tell whether a write was refused because the server, or the session, only reads."""
    return isinstance(error, DatabaseError) and isinstance(error.__cause__, ReadOnlySqlTransaction)


def database_only_reads() -> bool:
    """Ask the database whether it takes no writes: it is a standby, or was told so.

    A session that says so is let go of, so that who asks again asks another.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only') = 'on'")
        found = bool(cursor.fetchone()[0])
    if found:
        connection.close()
    return found


def no_connection(error: BaseException) -> bool:
    """Tell whether the pool had no connection to give in its time."""
    return isinstance(error.__cause__, PoolTimeout)


def lost_to_another(error: BaseException) -> bool:
    """Tell whether a lock, or a race, was lost to another transaction: the same may succeed now."""
    return isinstance(error, OperationalError) and isinstance(error.__cause__, _CONTENTION)


def lost_connection(error: BaseException) -> bool:
    """Tell whether the connection broke: the same may succeed on another one."""
    cause = error.__cause__
    if not isinstance(error, (OperationalError, InterfaceError)) or no_connection(error):
        return False
    # psycopg raises without a state what it finds out by itself, such as a socket that was closed.
    return isinstance(cause, DriverError) and (
        cause.sqlstate is None or cause.sqlstate.startswith(_LOST)
    )
