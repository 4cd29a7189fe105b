"""Batches for tests: inserted, begun and fed as the maintenance worker does it, without HTTP."""

import io
import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from genie.core import ids, transactions
from jobs import batch_lines, batch_rows, batch_views, feeding, library
from jobs.batch_rows import Check, NewBatch, Requester
from jobs.dialects import openai_batches
from jobs.library import NewUpload
from jobs.models import Job
from jobs.moves import NewJob
from jobs.states import Facade, Lane
from tests import builders, schemas

CHATS = "/v1/chat/completions"


def new_batch(account: Any, **attributes: Any) -> NewBatch:
    """Return a batch of this account that is about to be inserted."""
    requester = Requester(
        organization_id=account.organization_id,
        organization_slug=account.slug,
        application_id=account.application_id,
        member_id=account.member_id,
        user_id=account.user_id,
        key_id=None,
        allowed_models=(),
    )
    fields: dict[str, Any] = {
        "id": ids.new_id(),
        "requester": requester,
        "endpoint": CHATS,
        "input_file_id": ids.new_id(),
    }
    return NewBatch(**(fields | attributes))


def upload(account: Any, lines: Sequence[Any]) -> uuid.UUID:
    """Keep a file of these lines; what is no text is written as JSON."""
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    return kept(account, text.encode())


def kept(account: Any, content: bytes) -> uuid.UUID:
    """Keep a file of these bytes."""
    return library.keep(
        NewUpload(
            organization_id=account.organization_id,
            content=io.BytesIO(content),
            filename="in.jsonl",
            purpose="batch",
            media_type="application/jsonl",
        )
    ).id


def checked(account: Any, estimates: Sequence[int], **attributes: Any) -> Check:
    """Return a batch of lines with these estimates that has been checked and not begun."""
    batch = new_batch(account, **attributes)
    batch_rows.insert(batch)
    check = batch_rows.begin_check(ids.new_id())
    assert check is not None
    assert check.batch_id == batch.id
    with transactions.transaction():
        batch_lines.insert_many(batch.id, jobs(account, batch.id, estimates), first=1)
    return check


def jobs(account: Any, batch_id: uuid.UUID, estimates: Sequence[int]) -> list[NewJob]:
    """Return the jobs that lines with these estimates are to become."""
    return [
        builders.new_job(
            account,
            group_id=batch_id,
            lane=Lane.SLOW,
            facade=Facade.OPENAI,
            asked={"custom_id": f"line {number}"},
            start_limit_s=batch_rows.WINDOW_S,
            estimate_microcredits=estimate,
        )
        for number, estimate in enumerate(estimates)
    ]


def begun(account: Any, estimates: Sequence[int], **attributes: Any) -> uuid.UUID:
    """Return a batch whose money is held and of which no line is a job yet."""
    check = checked(account, estimates, **attributes)
    refusal = feeding.begin(check, size=len(estimates), total_microcredits=sum(estimates))
    assert refusal is None
    return check.batch_id


def fed(account: Any, count: int = 2) -> uuid.UUID:
    """Return a batch all of whose lines are jobs."""
    batch_id = begun(account, [1000] * count)
    assert feeding.feed(batch_id) == count
    return batch_id


def told(batch_id: uuid.UUID) -> dict[str, Any]:
    """Return a batch as its caller sees it."""
    found = batch_views.find(batch_id, organization_id=None)
    assert found is not None
    return dict(schemas.require("openai", "batch", openai_batches.batch(found)))


def written(account: Any, spelled: str) -> list[dict[str, Any]]:
    """Return the lines of a file of a batch."""
    parsed = ids.parse(spelled)
    assert parsed is not None
    (found,) = library.uploads([(parsed, account.organization_id)])
    assert found is not None
    return [json.loads(one) for one in library.read(found).splitlines()]


def names(found: Iterable[Job]) -> list[str]:
    """Return the custom ids of these jobs."""
    return [(one.asked or {})["custom_id"] for one in found]
