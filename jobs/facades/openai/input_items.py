"""What was sent as a response's input, as the items that OpenAI lists. Pure."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from genie.core import ids
from genie.core.errors import InvalidRequest
from jobs.facades.openai import paging

_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco"}


def of(job_id: uuid.UUID, sent: Any) -> list[dict[str, Any]]:
    """Return the items, in the order of the input; each has an id, the same whenever it is listed."""
    if isinstance(sent, str):
        sent = [{"role": "user", "content": sent}]
    return [
        _item(job_id, number, one)
        for number, one in enumerate(sent or [])
        if isinstance(one, Mapping)
    ]


def page(listed: Sequence[dict[str, Any]], *, after: str | None, limit: int) -> dict[str, Any]:
    """Return the list object of those behind the item ``after``.

    Raises:
        InvalidRequest: There is no such item.
    """
    known = [one["id"] for one in listed]
    if after is not None and after not in known:
        raise InvalidRequest.of("after", "is not the id of an item of this list")
    start = 0 if after is None else known.index(after) + 1
    return paging.listing(listed[start : start + limit + 1], limit=limit)


def _item(job_id: uuid.UUID, number: int, sent: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(sent.get("type", "message"))
    prefix = _PREFIXES.get(kind, "item")
    item = {
        **sent,
        # An id that the caller gave may be there twice, and pages are told apart by it.
        "id": f"{prefix}_{ids.bare(job_id)}i{number:04d}",
        "type": kind,
        "status": "completed",
    }
    if kind == "message":
        item["content"] = _parts(sent)
    return item


def _parts(sent: Mapping[str, Any]) -> Any:
    """Return the content as parts, whichever of the two shapes it was sent in."""
    content = sent.get("content")
    if not isinstance(content, str):
        return content
    if sent.get("role") == "assistant":
        return [{"type": "output_text", "text": content, "annotations": []}]
    return [{"type": "input_text", "text": content}]
