"""The file of a batch, line by line: to submissions, or to everything that is wrong with it. Touches no table."""

import asyncio
import dataclasses
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings

from genie.core import errors, strict_json
from genie.tenants.principal import Principal
from inference.registry import ModelSpec
from jobs.batch_rows import WINDOW_S
from jobs.facades.openai.bodies import BatchLine
from jobs.facades.openai.errors import error_object
from jobs.intake import bodies, completion, responses, submit
from jobs.intake.bodies import Submitted
from jobs.intake.submit import Envelope, Work
from jobs.states import Facade, JobKind, Lane, Mode
from jobs.submissions import Submission

_BREATH = 16  # lines after which others have their turn on the event loop


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """What the lines of one endpoint are."""

    body: type[Submitted]
    kind: JobKind
    work: Callable[[Any, ModelSpec], Awaitable[Work]]


_ROUTES = {
    "/v1/chat/completions": _Route(body=bodies.ChatBody, kind=JobKind.CHAT, work=submit.chat_work),
    "/v1/completions": _Route(
        body=bodies.CompletionBody, kind=JobKind.COMPLETION, work=completion.completion_work
    ),
    "/v1/embeddings": _Route(
        body=bodies.EmbeddingsBody, kind=JobKind.EMBEDDING, work=submit.embedding_work
    ),
    "/v1/responses": _Route(
        body=responses.ResponsesBody, kind=JobKind.RESPONSE, work=responses.work_of
    ),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What all lines have in common, and which ids there have been."""

    principal: Principal
    endpoint: str
    batch_id: uuid.UUID
    seen: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(slots=True, kw_only=True)
class Lines:
    """A batch's file as it was read: without errors, there is a submission for each line."""

    size: int = 0
    submissions: list[Submission] = dataclasses.field(default_factory=list)
    errors: list[dict[str, Any]] = dataclasses.field(default_factory=list)


async def read(
    content: bytes, principal: Principal, *, endpoint: str, batch_id: uuid.UUID
) -> Lines:
    """Return the lines of a batch; every one that is wrong has its error.

    Blank lines are passed over. Takes long for a long file, but lets others have their turns.
    """
    lines = [(number, raw) for number, raw in enumerate(content.split(b"\n"), 1) if raw.strip()]
    if not lines:
        return _refused("empty_file", "The file has no lines.")
    if len(lines) > settings.GENIE_BATCH_LINES:
        return _refused(
            "too_many_lines", f"A batch has at most {settings.GENIE_BATCH_LINES} lines here."
        )
    found = Lines(size=len(lines))
    wanted = _Wanted(principal=principal, endpoint=endpoint, batch_id=batch_id)
    for number, raw in lines:
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        answer = await _read_line(raw.strip(), wanted, number=number)
        if isinstance(answer, Submission):
            found.submissions.append(answer)
        else:
            found.errors.append(answer)
    return found


def problem(
    error: errors.GenieError, *, line: int | None, code: str | None = None, within: str = ""
) -> dict[str, Any]:
    """Return what a batch's errors say of one refusal; ``within`` is where its field stands."""
    told = error_object(error)
    param = told["param"]
    return {
        "code": code or told["code"],
        "message": told["message"],
        "param": f"{within}.{param}" if within and param else param or within or None,
        "line": line,
    }


def _refused(code: str, message: str) -> Lines:
    return Lines(errors=[{"code": code, "message": message, "param": None, "line": None}])


async def _read_line(raw: bytes, wanted: _Wanted, *, number: int) -> Submission | dict[str, Any]:
    """Return what a line asks for, or what is wrong with it."""
    try:
        line = _line(raw, wanted)
    except errors.InvalidRequest as error:
        return problem(error, line=number, code="invalid_line")
    try:
        return await _submission(line, wanted)
    except errors.GenieError as error:
        return problem(error, line=number, within="body")


def _line(raw: bytes, wanted: _Wanted) -> BatchLine:
    if len(raw) > settings.GENIE_JSON_LIMIT_BYTES:
        raise errors.InvalidRequest.of(
            "", f"the line is longer than the {settings.GENIE_JSON_LIMIT_BYTES} bytes of a request"
        )
    line = bodies.parse(BatchLine, strict_json.decode_object(raw))
    if line.url != wanted.endpoint:
        raise errors.InvalidRequest.of("url", f"must be the batch's endpoint, {wanted.endpoint}")
    if line.custom_id in wanted.seen:
        raise errors.InvalidRequest.of("custom_id", "is an earlier line's too")
    wanted.seen.add(line.custom_id)
    return line


async def _submission(line: BatchLine, wanted: _Wanted) -> Submission:
    route = _ROUTES[wanted.endpoint]
    fields: Mapping[str, Any] = line.body
    if fields.get("stream"):
        raise errors.InvalidRequest.of("stream", "a batch has no streams")
    body = bodies.parse(route.body, fields)
    spec = submit.resolve_model(wanted.principal, body.model, kind=route.kind)
    return await submit.submission(
        wanted.principal,
        body,
        work=await route.work(body, spec),
        mode=Mode.ASYNC,
        envelope=Envelope(
            facade=Facade.OPENAI,
            asked={"custom_id": line.custom_id},
            group_id=wanted.batch_id,
            lane=Lane.SLOW,
            start_limit_s=WINDOW_S,
        ),
    )
