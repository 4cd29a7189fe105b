"""Secrets at rest: sealed with the newest key of the ring, opened with any. Holds no key itself."""

from collections.abc import Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotUnseal(Exception):
    """No key of the ring opens this token: the key it was sealed with has been removed."""

    def __init__(self) -> None:
        super().__init__("No key in GENIE_FIELD_KEYS opens this secret.")


def seal(text: str) -> str:
    """Return ``text`` encrypted and authenticated under the newest key of ``GENIE_FIELD_KEYS``."""
    return _ring(tuple(settings.GENIE_FIELD_KEYS)).encrypt(text.encode()).decode()


def unseal(token: str) -> str:
    """Return what was sealed.

    Raises:
        CannotUnseal: No key of the ring opens it.
    """
    keys = tuple(settings.GENIE_FIELD_KEYS)
    try:
        return _ring(keys).decrypt(token.encode()).decode() if keys else _refuse()
    except InvalidToken:
        raise CannotUnseal from None


def reseal(token: str) -> str | None:
    """Return the token under the newest key, or None if that is what it already is.

    Raises:
        CannotUnseal: No key of the ring opens it.
    """
    keys = tuple(settings.GENIE_FIELD_KEYS)
    try:
        _ring(keys[:1]).decrypt(token.encode()) if keys else _refuse()
    except InvalidToken:
        return _rotated(token, keys)
    return None


def _rotated(token: str, keys: Sequence[str]) -> str:
    try:
        return _ring(tuple(keys)).rotate(token.encode()).decode()
    except InvalidToken:
        raise CannotUnseal from None


def _refuse() -> str:
    raise CannotUnseal


@lru_cache(maxsize=8)
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
