"""Pages as OpenAI's lists have them: ``after`` an id, ``limit``, ``order``."""

import dataclasses
import uuid
from collections.abc import Sequence
from typing import Any

from genie.core import errors, ids
from genie.core.lean import LeanRequest
from jobs.facades.openai.queries import MOST, USUAL, limited


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which page a caller wants."""

    after: uuid.UUID | None  # the last one of the page before
    limit: int
    oldest_first: bool = False


def page_of(request: LeanRequest, *, most: int = MOST, usual: int = USUAL) -> Page:
    """Return the page that the query asks for.

    Raises:
        InvalidRequest: One of its parameters is none.
    """
    query = request.GET
    return Page(
        after=_after(query.get("after")),
        limit=limited(request, most=most, usual=usual),
        oldest_first=_oldest_first(query.get("order")),
    )


def listing(data: Sequence[dict[str, Any]], *, limit: int) -> dict[str, Any]:
    """Return a list's body; of ``data``, one more than ``limit`` tells that there are more."""
    page = list(data[:limit])
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(data) > limit,
    }


def id_of(text: str) -> uuid.UUID | None:
    """Return the id behind one of this facade's spellings, such as ``batch_c...``; None for others."""
    prefix, mark, rest = text.partition("_")
    return ids.parse(rest if mark and prefix.isalpha() else text)


def _after(text: str | None) -> uuid.UUID | None:
    if text is None:
        return None
    if (found := id_of(text)) is None:
        raise errors.InvalidRequest.of("after", "must be the id that the page before ended with")
    return found


def _oldest_first(text: str | None) -> bool:
    if text not in (None, "asc", "desc"):
        raise errors.InvalidRequest.of("order", "must be asc or desc")
    return text == "asc"
