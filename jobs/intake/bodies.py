"""The bodies that the native contract takes, as strict types. No coercion: "5" is not a number.

Chat ignores fields it does not know, since OpenAI's clients send new ones; what it knows it checks.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from genie.core.errors import InvalidRequest
from jobs.intake import problems

MAX_MESSAGES = 1024
MAX_TOOLS = 128  # OpenAI's limit
MAX_ANSWERS = 128  # of one text completion: prompts times n
MAX_INPUTS = 2048  # OpenAI's limit for one embeddings request

Name = Annotated[str, Field(min_length=1, max_length=200)]
FunctionName = Annotated[str, Field(pattern=r"\A[A-Za-z0-9_-]{1,64}\z")]
BodyT = TypeVar("BodyT", bound=BaseModel)


def _content(value: Any) -> str | None:
    """Flatten a string or a list of text parts."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise ValueError("must be a string or a list of text parts")  # noqa: TRY004 - pydantic reads ValueError
    texts = []
    for part in value:
        if (
            not isinstance(part, dict)
            or part.get("type") != "text"
            or not isinstance(part.get("text"), str)
        ):
            raise ValueError(
                'each part must be {"type": "text", "text": "..."}; other parts are not supported'
            )
        texts.append(part["text"])
    return "".join(texts)


def _stop(value: Any) -> list[str]:
    """Return up to four non-empty stop strings."""
    if value is None:
        return []
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise ValueError("must be a string or a list of strings")
    if len(values) > 4:
        raise ValueError("at most 4 stop strings")
    if not all(0 < len(one) <= 256 for one in values):
        raise ValueError("each stop string has 1 to 256 characters")
    return values


def _metadata(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > 16:
        raise ValueError("must be an object of at most 16 keys")
    if not all(
        len(key) <= 64 and isinstance(item, str) and len(item) <= 512 for key, item in value.items()
    ):
        raise ValueError("keys have at most 64 characters, values are strings of at most 512")
    return value


# What is checked by hand says here what it takes, for the description of the API.
_Text = Annotated[str, Field(min_length=1)]
_Ids = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]
_StopText = Annotated[str, Field(min_length=1, max_length=256)]
_Metadata = Annotated[
    dict[
        Annotated[str, Field(max_length=64)],
        Annotated[str, Field(max_length=512)],
    ],
    Field(max_length=16),
]
_Stops: TypeAlias = _StopText | Annotated[list[_StopText], Field(max_length=4)] | None
_Inputs: TypeAlias = (
    _Text | _Ids | Annotated[list[_Text | _Ids], Field(min_length=1, max_length=MAX_INPUTS)]
)
_Prompts: TypeAlias = (
    _Text | _Ids | Annotated[list[_Text | _Ids], Field(min_length=1, max_length=MAX_ANSWERS)]
)

Metadata = Annotated[
    dict[str, str] | None,
    PlainValidator(_metadata, json_schema_input_type=_Metadata | None),
]


class Loose(BaseModel):
    """A body that ignores unknown fields but coerces nothing."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class TextPart(Loose):
    """A part of a message."""

    type: Literal["text"]
    text: str


class ToolCallFunction(Loose):
    """The function of an earlier tool call."""

    name: Name
    arguments: str


class ToolCall(Loose):
    """A tool call that an earlier assistant message made."""

    id: Name
    type: Literal["function"]
    function: ToolCallFunction


class Message(Loose):
    """One message; its content is flattened to text."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[
        str | None, PlainValidator(_content, json_schema_input_type=str | list[TextPart] | None)
    ] = None
    name: Annotated[str, Field(max_length=64)] | None = None
    tool_call_id: Name | None = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1, max_length=128)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Message":
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("a tool message needs tool_call_id")
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError("content is required")
        return self

    def plain(self) -> dict[str, Any]:
        """Return the message for the chat template."""
        role = "system" if self.role == "developer" else self.role
        return {
            "role": role,
            "content": self.content or "",
            **self.model_dump(include=_EXTRAS, exclude_none=True),
        }


_EXTRAS = {"name", "tool_call_id", "tool_calls"}


class StreamOptions(Loose):
    """OpenAI's stream options."""

    include_usage: bool = False


class ToolFunction(Loose):
    """A function that the model may call."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Loose):
    """A tool that the model may call."""

    type: Literal["function"]
    function: ToolFunction


def _tool_choice(value: Any) -> str | None:
    """Return none, auto or required as they are, and a named function as ``=name``."""
    if value in (None, "none", "auto", "required"):
        return None if value is None else str(value)
    if isinstance(value, dict) and value.get("type") == "function":
        function = value.get("function")
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            return f"={function['name']}"
    raise ValueError(
        'must be "none", "auto", "required" or {"type": "function", "function": {"name": "..."}}'
    )


class NamedFunction(Loose):
    """The name of a function."""

    name: str


class NamedTool(Loose):
    """The one tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


_ToolChoice: TypeAlias = Literal["none", "auto", "required"] | NamedTool | None


class JsonSchema(Loose):
    """The schema that an answer must satisfy; ``strict`` is always so."""

    name: FunctionName
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(Loose):
    """OpenAI's response format."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _complete(self) -> "ResponseFormat":
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("the type json_schema needs json_schema")
        return self


class Webhook(Loose):
    """Where to send the result of an async job."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    secret: str | None = None  # judged by webhooks.signing


class Submitted(Loose):
    """What every submission may carry."""

    model: Name
    mode: Literal["sync", "stream", "async"] | None = None
    webhook: Webhook | None = None
    on_budget: Literal["reject", "park"] | None = None
    metadata: Metadata = None
    user: Annotated[str, Field(max_length=256)] | None = None
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Generated(Submitted):
    """What every body may say of text that is generated for it."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    min_tokens: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    stop: Annotated[list[str], PlainValidator(_stop, json_schema_input_type=_Stops)] = Field(
        default_factory=list
    )
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatBody(Generated):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Annotated[
        str | None, PlainValidator(_tool_choice, json_schema_input_type=_ToolChoice)
    ] = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None

    @property
    def token_limit(self) -> int | None:
        """What the caller allows to be generated; OpenAI's newer name wins."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def may_call(self) -> bool:
        """Whether the answer may have tool calls."""
        return bool(self.tools) and self.tool_choice != "none"

    def needed_capabilities(self) -> dict[str, str]:
        """Return the capability that each unusual field asks of the model."""
        needed = {}
        if self.may_call:
            needed["tools"] = "tools"
        if self.response_format is not None and self.response_format.type != "text":
            needed["response_format"] = "structured-output"
        if (self.n or 1) > 1:
            needed["n"] = "n"
        if self.logprobs or self.top_logprobs:
            needed["logprobs"] = "logprobs"
        return needed


def _prompts(value: Any) -> list[Any]:
    """Return a list of prompts, each a text or token ids."""
    prompts = _inputs(value)
    if len(prompts) > MAX_ANSWERS:
        raise ValueError(f"at most {MAX_ANSWERS} prompts")
    return prompts


def _inputs(value: Any) -> list[Any]:
    """Return a list of texts or of token-id lists, whatever of OpenAI's four shapes came."""
    if isinstance(value, str) or (
        isinstance(value, list) and value and all(type(one) is int for one in value)
    ):
        value = [value]
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_INPUTS:
        raise ValueError(
            f"must be a string, a list of strings, or token ids; at most {MAX_INPUTS} inputs"
        )
    for one in value:
        if isinstance(one, str) and one:
            continue
        if (
            isinstance(one, list)
            and one
            and all(type(item) is int and 0 <= item < 2**31 for item in one)
        ):
            continue
        raise ValueError("each input must be a non-empty string or a non-empty list of token ids")
    return value


class CompletionBody(Generated):
    """POST /v1/completions."""

    prompt: Annotated[list[Any], PlainValidator(_prompts, json_schema_input_type=_Prompts)]
    suffix: str | None = None
    best_of: Annotated[int, Field(ge=1)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None

    def needed_capabilities(self) -> dict[str, str]:
        """Return the capability that the route, and each unusual field, asks of the model."""
        needed = {"model": "completions"}
        if (self.n or 1) > 1:
            needed["n"] = "n"
        if self.logprobs is not None:
            needed["logprobs"] = "logprobs"
        return needed


class EmbeddingsBody(Submitted):
    """POST /v1/embeddings."""

    input: Annotated[list[Any], PlainValidator(_inputs, json_schema_input_type=_Inputs)]
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    encoding_format: Literal["float", "base64"] | None = None


def parse(schema: type[BodyT], body: Mapping[str, Any]) -> BodyT:
    """Return the validated body.

    Raises:
        InvalidRequest: With one detail for each field that breaks the contract.
    """
    try:
        return schema.model_validate(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        details = problems.details_of(found, body)
        first = details[0]
        where = f"{first['field']}: " if first["field"] else ""
        raise InvalidRequest(f"{where}{first['message']}", details=details) from None
