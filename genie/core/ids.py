"""Time-ordered 128-bit ids and their three spellings: UUID, bare (``c`` + base 36) and prefixed.

The layout is UUID version 7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then randomness,
with a counter in ``rand_a`` so that ids made by one process in one millisecond stay in order.
"""

import datetime as dt
import random
import re
import threading
import time
import uuid

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_BARE_LENGTH = 25  # 36**25 > 2**128: every id fits, zero-padded, so that text order is time order
_LIMIT = 1 << 128
_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]

_lock = threading.Lock()
_last = (0, 0)  # (milliseconds, counter) of the newest id of this process


def new_id() -> uuid.UUID:
    """Return a fresh id that sorts after every earlier one of this process."""
    # An id names, it does not authorise: no system call for its randomness. Python seeds the
    # generator from the system, and again in a forked child.
    global _last  # noqa: PLW0603 - one monotonic counter per process is the point
    with _lock:
        millis = max(time.time_ns() // 1_000_000, _last[0])
        counter = _last[1] + 1 if millis == _last[0] else random.getrandbits(10)
        if counter >= 1 << 12:  # 4,096 in one millisecond: borrow from the next
            millis, counter = millis + 1, 0
        _last = (millis, counter)
    value = millis << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | random.getrandbits(62)
    return uuid.UUID(int=value)


def made_at(value: uuid.UUID) -> dt.datetime | None:
    """Return when the id was made, by the clock of who made it; None for an id that is not ours.

    >>> made_at(uuid.UUID("019d0000-0000-7000-8000-000000000000"))
    datetime.datetime(2026, 3, 18, 8, 11, 33, 248000, tzinfo=datetime.timezone.utc)
    """
    if value.version != 7:
        return None
    try:
        return dt.datetime.fromtimestamp((value.int >> 80) / 1000, tz=dt.UTC)
    except ValueError:  # 48 bits of milliseconds last longer than the years that a datetime has
        return None


def first_of(moment: dt.datetime) -> uuid.UUID:
    """Return the id before which none sorts that was made at this moment or later.

    >>> made_at(new_id()) >= made_at(first_of(dt.datetime(2026, 3, 18, tzinfo=dt.UTC)))
    True
    """
    return uuid.UUID(int=max(0, int(moment.timestamp() * 1000)) << 80 | 0x7 << 76 | 0b10 << 62)


def bare(value: uuid.UUID) -> str:
    """Return ``c`` and 25 base-36 digits.

    >>> bare(uuid.UUID(int=35))
    'c000000000000000000000000z'
    """
    pairs = []
    number = value.int
    for _ in range(_BARE_LENGTH // 2):
        number, pair = divmod(number, 36 * 36)
        pairs.append(_PAIRS[pair])
    return "c" + _ALPHABET[number] + "".join(reversed(pairs))


def parse(text: str) -> uuid.UUID | None:
    """Return the id behind any of the three spellings, or None for anything else.

    The object prefix (``chatcmpl-``) may stand before either of the others. It is not checked against
    the job: any prefix of lower-case letters is stripped, since the id alone names the job. The bare
    form may lack the zero that it begins with for all ids of our time.

    >>> parse("chatcmpl-c000000000000000000000000z")
    UUID('00000000-0000-0000-0000-000000000023')
    >>> parse("nonsense") is None
    True
    """
    if len(text) > 64 or not text.isascii():
        return None
    if _UUID.fullmatch(text):  # uuid.UUID itself takes braces, misplaced dashes and underscores
        return uuid.UUID(text)
    prefix, dash, rest = text.partition("-")
    if not dash:
        return _from_bare(text)
    if not (prefix.isalpha() and prefix.islower()):
        return None
    return uuid.UUID(rest) if _UUID.fullmatch(rest) else _from_bare(rest)


def _from_bare(text: str) -> uuid.UUID | None:
    if len(text) not in (_BARE_LENGTH, _BARE_LENGTH + 1) or text[0] != "c":
        return None
    if any(character not in _ALPHABET for character in text[1:]):
        return None
    number = int(text[1:], 36)
    return uuid.UUID(int=number) if number < _LIMIT else None
