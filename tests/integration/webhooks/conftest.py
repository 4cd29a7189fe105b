"""A receiver, a canary that nothing may reach, and the database's clock moved for one test."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection

import genie.celery  # noqa: F401 - gives tickets the run's broker
from tests.integration.webhooks import receivers
from tests.integration.webhooks.receivers import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receivers.serve() as served:
        yield served


@pytest.fixture
def canary() -> Iterator[Receiver]:
    """A server inside the network that nothing may connect to."""
    with receivers.serve() as served:
        yield served


@pytest.fixture
def clock(db: None) -> Iterator[Callable[[str], None]]:
    """Move this connection's ``genie_now()``, by an interval like ``5 seconds``."""

    def move(interval: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('genie.clock_offset', %s, false)", [interval])

    yield move
    move("")
