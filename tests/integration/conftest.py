"""What costs much and proves nothing here is done the cheap way: emptying the database, hashing passwords."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import TransactionTestCase

from tests.integration import emptying


@pytest.fixture(scope="session", autouse=True)
def cheaply() -> Iterator[None]:
    """Empty the database our way behind each test that commits, and hash passwords in a few rounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", emptying.empty)
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1000)  # a million take half a second
        yield
