"""What a ticket says of itself to people who watch: its queue and the jobs that it carries. Pure.

Celery sends this text along with a ticket and with the events that Flower listens to. Left to itself it
would write the arguments out, which takes it longer and cuts a full ticket short.
"""

import dataclasses
import re
import uuid
from collections.abc import Sequence

from genie.core import ids

_TEXT = re.compile(r"queue=(\S+) jobs=(\S*)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a ticket's text names."""

    queue: str
    job_ids: tuple[uuid.UUID, ...]


def text(queue: str, job_ids: Sequence[uuid.UUID]) -> str:
    """Return what a ticket says of itself; ids are bare, so that a search for what callers quote finds it.

    >>> text("chat", [uuid.UUID(int=35), uuid.UUID(int=36)])
    'queue=chat jobs=c000000000000000000000000z,c0000000000000000000000010'
    """
    return f"queue={queue} jobs={','.join(map(ids.bare, job_ids))}"


def read(said: str | None) -> Carried | None:
    """Return what such a text names, or None for any other text.

    >>> read("queue=chat jobs=c000000000000000000000000z")
    Carried(queue='chat', job_ids=(UUID('00000000-0000-0000-0000-000000000023'),))
    >>> read("{}") is None
    True
    """
    found = _TEXT.fullmatch(said or "")
    if found is None:
        return None
    parsed = map(ids.parse, filter(None, found[2].split(",")))
    return Carried(queue=found[1], job_ids=tuple(one for one in parsed if one is not None))
