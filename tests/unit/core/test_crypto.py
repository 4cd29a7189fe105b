"""Sealed secrets open with any key of the ring, and with no other."""

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from genie.core import crypto


class TestSeal:
    @pytest.mark.parametrize("text", ["", "secret", "é\U0001f600\n", "x" * 10_000])
    def test_is_undone_by_unseal(self, text: str) -> None:
        token = crypto.seal(text)

        assert crypto.unseal(token) == text
        assert text == "" or text not in token

    def test_never_gives_the_same_token_twice(self) -> None:
        assert crypto.seal("secret") != crypto.seal("secret")


class TestRing:
    def test_an_older_key_still_opens(self, settings: Settings) -> None:
        old, new = (Fernet.generate_key().decode() for _ in range(2))
        settings.GENIE_FIELD_KEYS = [old]
        token = crypto.seal("secret")

        settings.GENIE_FIELD_KEYS = [new, old]

        assert crypto.unseal(token) == "secret"
        assert Fernet(new).decrypt(crypto.seal("secret").encode()) == b"secret"

    def test_without_a_key_nothing_opens(self, settings: Settings) -> None:
        token = crypto.seal("secret")
        settings.GENIE_FIELD_KEYS = []

        for attempt in (crypto.unseal, crypto.reseal):
            with pytest.raises(crypto.CannotUnseal):
                attempt(token)

    def test_a_key_that_was_taken_out_does_not(self, settings: Settings) -> None:
        token = crypto.seal("secret")
        settings.GENIE_FIELD_KEYS = [Fernet.generate_key().decode()]

        with pytest.raises(crypto.CannotUnseal):
            crypto.unseal(token)

    @pytest.mark.parametrize("token", ["", "nonsense", "gAAAAA"])
    def test_junk_does_not(self, token: str) -> None:
        with pytest.raises(crypto.CannotUnseal):
            crypto.unseal(token)


class TestReseal:
    def test_brings_a_token_under_the_newest_key(self, settings: Settings) -> None:
        old, new = (Fernet.generate_key().decode() for _ in range(2))
        settings.GENIE_FIELD_KEYS = [old]
        token = crypto.seal("secret")
        settings.GENIE_FIELD_KEYS = [new, old]

        moved = crypto.reseal(token)

        assert moved is not None
        assert Fernet(new).decrypt(moved.encode()) == b"secret"
        assert crypto.reseal(moved) is None

    def test_refuses_what_no_key_opens(self, settings: Settings) -> None:
        token = crypto.seal("secret")
        settings.GENIE_FIELD_KEYS = [Fernet.generate_key().decode()]

        with pytest.raises(crypto.CannotUnseal):
            crypto.reseal(token)
