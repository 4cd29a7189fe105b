"""Random keys pass; phrases, zeros and patterns do not."""

import doctest
import secrets

import pytest

from genie.core import key_strength


def test_random_keys_pass() -> None:
    assert not any(key_strength.is_guessable(secrets.token_bytes(32)) for _ in range(2000))


@pytest.mark.parametrize(
    "key",
    [bytes(32), b"\xff" * 32, b"\x01\x02\x03\x04" * 8, b"a phrase that a person thought of!"[:32]],
)
def test_what_a_person_made_up_does_not(key: bytes) -> None:
    assert key_strength.is_guessable(key)


def test_examples_hold() -> None:
    assert doctest.testmod(key_strength) == (0, 6)
