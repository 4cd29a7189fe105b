"""What the database raises is told as what it means: away, only reads, or worth another try."""

import psycopg
import pytest
from django.db import DataError, InterfaceError, InternalError, OperationalError
from psycopg import errors as driver
from psycopg_pool import PoolTimeout

from genie.core import api, outages
from genie.core.errors import Unavailable


def raised(kind: type[Exception], cause: Exception | None) -> Exception:
    """Return Django's error as it wraps psycopg's."""
    error = kind("what it says")
    error.__cause__ = cause
    return error


READ_ONLY = raised(InternalError, driver.ReadOnlySqlTransaction("cannot execute INSERT"))


class TestRefusal:
    @pytest.mark.parametrize(
        ("error", "says"),
        [
            (READ_ONLY, "only reads"),
            (raised(OperationalError, PoolTimeout("none")), "does not answer"),
            (raised(OperationalError, driver.DiskFull("no space left")), "does not answer"),
            (raised(InterfaceError, None), "does not answer"),
        ],
    )
    def test_of_an_outage_asks_to_come_again(self, error: Exception, says: str) -> None:
        told = api.translate(error)

        assert isinstance(told, Unavailable)
        assert says in told.message
        assert int(told.headers["Retry-After"]) >= 1

    @pytest.mark.parametrize(
        "error",
        [raised(InternalError, driver.InternalError_("no")), raised(DataError, None), ValueError()],
    )
    def test_of_a_defect_there_is_none(self, error: Exception) -> None:
        assert outages.refusal(error) is None
        assert api.translate(error).code == "internal-error"


class TestLostConnection:
    @pytest.mark.parametrize(
        "cause",
        [
            driver.AdminShutdown("terminating connection"),
            driver.CrashShutdown("of another server process"),
            driver.ConnectionFailure("lost"),
            psycopg.OperationalError("consuming input failed"),
        ],
    )
    def test_is_told_by_its_cause(self, cause: Exception) -> None:
        assert outages.lost_connection(raised(OperationalError, cause))

    @pytest.mark.parametrize(
        "cause",
        [
            PoolTimeout("no connection"),
            driver.QueryCanceled("statement timeout"),
            driver.DiskFull("no space left"),
            driver.LockNotAvailable("lock timeout"),
            None,
        ],
    )
    def test_is_nothing_else(self, cause: Exception | None) -> None:
        assert not outages.lost_connection(raised(OperationalError, cause))
