"""The file of a batch, line by line: to submissions, or to everything that is wrong with it. Touches no table."""

import dataclasses
import hashlib
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import IO, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from genie.core import errors, strict_json
from genie.tenants.principal import Principal
from inference.registry import ModelSpec
from jobs import body_limits
from jobs.batch_rows import WINDOW_S
from jobs.dialects.openai_errors import error_object
from jobs.intake import bodies, chatting, completion, embedding, responses, submit
from jobs.intake.bodies import Loose, Submitted
from jobs.intake.submit import Envelope, Work
from jobs.states import Facade, JobKind, Lane, Mode
from jobs.submissions import Submission


class BatchLine(Loose):
    """One line of a batch's file."""

    custom_id: Annotated[str, Field(min_length=1, max_length=512)]
    method: Literal["POST"]
    url: str
    body: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """What the lines of one endpoint are."""

    body: type[Submitted]
    kind: JobKind
    work: Callable[[Any, ModelSpec], Awaitable[Work]]


_ROUTES = {
    "/v1/chat/completions": _Route(
        body=bodies.ChatBody, kind=JobKind.CHAT, work=chatting.chat_work
    ),
    "/v1/completions": _Route(
        body=bodies.CompletionBody, kind=JobKind.COMPLETION, work=completion.completion_work
    ),
    "/v1/embeddings": _Route(
        body=bodies.EmbeddingsBody, kind=JobKind.EMBEDDING, work=embedding.embedding_work
    ),
    "/v1/responses": _Route(
        body=responses.ResponsesBody, kind=JobKind.RESPONSE, work=responses.work_of
    ),
}


_MARK = b"\xef\xbb\xbf"  # what some editors begin a file in UTF-8 with


class Line(NamedTuple):
    """A line of a file that is not blank; no content where it is longer than any request may be."""

    number: int  # in the file, from 1
    content: bytes | None


def lines_of(file: IO[bytes], *, most: int) -> Iterator[Line]:
    """Yield the lines of a file, of up to ``most`` bytes; has one in memory, whatever the file's size.

    Lines end in LF or CR LF, and a byte order mark before the first is no part of it.
    """
    number = 0
    while piece := file.readline(most + 2):  # with what ends it, CR LF at most
        number += 1
        content: bytes | None = (piece.removeprefix(_MARK) if number == 1 else piece).strip()
        if not piece.endswith(b"\n") and len(piece) > most:
            content = None
            while piece and not piece.endswith(b"\n"):
                piece = file.readline(most)
        elif content and len(content) > most:
            content = None
        if content != b"":
            yield Line(number, content)


class Reader:
    """Makes submissions of a batch's lines; remembers which names there have been.

    Args:
        principal: Who asked for the batch, as it was allowed to then.
        endpoint: The route that all lines are for.
        batch_id: The group of the jobs.
    """

    def __init__(self, principal: Principal, *, endpoint: str, batch_id: uuid.UUID) -> None:
        self._principal = principal
        self._endpoint = endpoint
        self._batch_id = batch_id
        self.longest = body_limits.of(endpoint)  # bytes of a line: as of the request that it is
        self._names: dict[bytes, int] = {}  # lines by digests: names may be long

    async def read(self, lines: Sequence[Line]) -> list[Submission | dict[str, Any]]:
        """Return what each line asks for, or what is wrong with it."""
        return [await self._read(line) for line in lines]

    async def _read(self, line: Line) -> Submission | dict[str, Any]:
        try:
            parsed = self._parsed(line)
        except errors.InvalidRequest as error:
            return problem(error, line=line.number, code="invalid_line")
        try:
            return await self._submission(parsed)
        except (errors.ModelNotFound, errors.ModelNotAllowed) as error:
            return problem(error, line=line.number, within="body.model")
        except errors.GenieError as error:
            return problem(error, line=line.number, within="body")

    def _parsed(self, read: Line) -> BatchLine:
        if read.content is None:
            raise errors.InvalidRequest.of(
                "", f"the line is longer than the {self.longest} bytes of a request; shorten it"
            )
        fields = strict_json.decode_object(read.content, called="the line")
        line = bodies.parse(BatchLine, fields)
        if line.url != self._endpoint:
            raise errors.InvalidRequest.of("url", f"must be the batch's endpoint, {self._endpoint}")
        name = hashlib.blake2b(line.custom_id.encode(), digest_size=16).digest()
        if (first := self._names.setdefault(name, read.number)) != read.number:
            raise errors.InvalidRequest.of(
                "custom_id", f"is that of line {first} too; give each line its own"
            )
        return line

    async def _submission(self, line: BatchLine) -> Submission:
        route = _ROUTES[self._endpoint]
        fields: Mapping[str, Any] = line.body
        if fields.get("stream"):
            raise errors.InvalidRequest.of("stream", "a batch has no streams")
        body = bodies.parse(route.body, fields)
        spec = submit.resolve_model(self._principal, body.model, kind=route.kind)
        return await submit.submission(
            self._principal,
            body,
            work=await route.work(body, spec),
            mode=Mode.ASYNC,
            envelope=Envelope(
                facade=Facade.OPENAI,
                asked={"custom_id": line.custom_id},
                group_id=self._batch_id,
                lane=Lane.SLOW,
                start_limit_s=WINDOW_S,
            ),
        )


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
