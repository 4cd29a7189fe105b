"""What the API answers, as typed values.

Fields of an answer that are not named here are kept as attributes, so a newer server is no error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict

from pydantic import BaseModel, ConfigDict, Field

Status: TypeAlias = Literal["queued", "running", "completed", "failed", "cancelled", "timeout"]
OnDisconnect: TypeAlias = Literal["cancel", "continue"]


class Message(TypedDict, total=False):
    """A message of a chat as it is sent."""

    role: str
    content: Any
    name: str
    tool_call_id: str
    tool_calls: Sequence[Mapping[str, Any]]


Messages: TypeAlias = str | Sequence[Message] | Sequence[Mapping[str, Any]]


class Value(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True, defer_build=True)


class Result(Value):
    """An answer, with what its headers say of it."""

    request_id: str = ""  # quote it when you report a problem
    job_id: str | None = None  # whose result this is: jobs.get tells its cost and times
    budget_remaining: float | None = None  # credits, where the application's caps warn


class Usage(Value):
    """Tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class ToolFunction(Value):
    """What a tool call calls; ``arguments`` is JSON as the model wrote it."""

    name: str = ""
    arguments: str = ""


class ToolCall(Value):
    """A call that the model makes of a tool."""

    id: str = ""
    function: ToolFunction = ToolFunction()


class ChatMessage(Value):
    """What the model said."""

    role: str = "assistant"
    content: str | None = None
    tool_calls: list[ToolCall] = []


class ChatChoice(Value):
    """One of the answers to a chat."""

    index: int
    message: ChatMessage
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class ChatCompletion(Result):
    """The answer to a chat."""

    id: str
    created: int
    model: str  # the one that served, whatever alias was asked for
    choices: list[ChatChoice]
    usage: Usage = Usage()

    @property
    def text(self) -> str:
        """Return what the first choice says; empty where it only calls tools."""
        return (self.choices[0].message.content or "") if self.choices else ""


class Embedding(Value):
    """One input as a vector."""

    index: int
    embedding: list[float]


class Embeddings(Result):
    """Vectors, in the order of their inputs."""

    model: str
    data: list[Embedding]
    usage: Usage = Usage()

    @property
    def vectors(self) -> list[list[float]]:
        """Return the vectors alone."""
        return [one.embedding for one in self.data]


class Ranked(Value):
    """A document by its place in the request, and how well it answers the query."""

    index: int
    relevance_score: float  # 0 to 1
    document: dict[str, Any] | None = None  # with ``return_documents``


class Ranking(Result):
    """Documents, the best first."""

    id: str = ""
    model: str
    results: list[Ranked]
    usage: Usage = Usage()

    @property
    def order(self) -> list[int]:
        """Return the places of the documents in the request, that of the best first."""
        return [one.index for one in self.results]


class Image(Value):
    """A picture: its public address, or its bytes in base64."""

    url: str | None = None
    b64_json: str | None = None


class Images(Result):
    """Pictures."""

    created: int
    data: list[Image]
    model_substituted: str | None = None  # what served in place of the model asked for


class Transcription(Result):
    """What was said; ``text`` holds subtitles where they were asked for."""

    text: str
    language: str | None = None
    duration: float | None = None  # seconds
    segments: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Sound, whole."""

    content: bytes = field(repr=False)
    media_type: str
    job_id: str | None = None
    request_id: str = ""


class JobError(Value):
    """Why a job has no result."""

    code: str
    message: str


class JobInfo(Result):
    """A job as the server described it at one moment.

    ``result`` is there once it has completed: the body that a caller who waits is given.
    """

    id: str
    status: Status
    object: str = ""
    model: str = ""
    created: int = 0  # Unix seconds
    started_at: str | None = Field(None, alias="startedAt")
    completed_at: str | None = Field(None, alias="completedAt")
    queue_position: int | None = None  # 1 is next
    eta_seconds: float | None = None
    progress: int | None = None  # percent, while it runs
    usage: dict[str, float] = {}
    cost: float | None = None  # credits
    reason: str | None = None  # `parked_budget`: it waits for room in a cap
    error: JobError | None = None
    result: dict[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Tell whether it is in a state that it will never leave."""
        return self.status not in ("queued", "running")

    @property
    def chat(self) -> ChatCompletion:
        """Return the result of a chat.

        Raises:
            ValueError: There is none.
        """
        return ChatCompletion.model_validate({**self._required(), "job_id": self.id})

    @property
    def embeddings(self) -> Embeddings:
        """Return the result of embeddings; raises ValueError where there is none."""
        return Embeddings.model_validate({**self._required(), "job_id": self.id})

    @property
    def ranking(self) -> Ranking:
        """Return the result of reranking; raises ValueError where there is none."""
        return Ranking.model_validate({**self._required(), "job_id": self.id})

    @property
    def images(self) -> Images:
        """Return the result of pictures; raises ValueError where there is none."""
        return Images.model_validate({**self._required(), "job_id": self.id})

    @property
    def urls(self) -> list[str]:
        """Return the addresses of the files that it made."""
        result = self.result or {}
        found = [result, *(one for one in result.get("data", ()) if isinstance(one, dict))]
        return [str(one["url"]) for one in found if one.get("url")]

    def _required(self) -> dict[str, Any]:
        if self.result is None:
            raise ValueError(f"Job {self.id} is {self.status} and has no result.")
        return self.result


class JobPage(Result):
    """Jobs without their results, newest first."""

    data: list[JobInfo]
    has_more: bool = False
    next_cursor: str | None = None  # pass it as ``cursor`` to go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What one event adds to a streamed answer.

    Attributes:
        text: More of the text.
        index: Of which answer, where several were asked for.
        tool_calls: Pieces of tool calls, as OpenAI has them.
        finish_reason: Why this answer ended, in its last delta.
        usage: In the last delta of all.
        restarted: A later attempt begins the text again: forget what came before.
        logprobs: Of the tokens of ``text``, if asked for.
    """

    text: str = ""
    index: int = 0
    tool_calls: Sequence[Mapping[str, Any]] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    restarted: bool = False
    logprobs: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One event of a job's stream.

    Attributes:
        seq: Its number, which resumes behind it.
        type: ``job.running``, ``job.progress``, ``job.completed`` and the like; of a text ``chunk``,
            ``restarted``, and ``error`` where the job ended without a result.
        data: What it says.
    """

    seq: int
    type: str
    data: Mapping[str, Any]
