"""What costs much and proves nothing here is done the cheap way: emptying the database."""

from collections.abc import Iterator

import pytest
from django.test import TransactionTestCase

from tests.integration import emptying


@pytest.fixture(scope="session", autouse=True)
def cheaply() -> Iterator[None]:
    """Empty the database our way behind each test that commits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", emptying.empty)
        yield
