"""The words in which an app describes its routes to whoever calls them. Pure data; ``genie.openapi`` reads it.

An answer names its JSON Schema by the file that has it, such as ``native/job``, below
``genie/openapi/schemas``; a request names the class that parses it, so that nothing is written twice.
"""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Literal

JSON = "application/json"
FORM = "multipart/form-data"
EVENTS = "text/event-stream"

# What any route may answer, whoever calls it and with whatever.
ANYWHERE = frozenset({400, 413, 500})
# What a route may answer that looks at the key.
KEYED = ANYWHERE | {401, 403, 429, 503}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a route; those of its path are always required."""

    name: str
    description: str
    place: Literal["path", "query", "header"] = "query"
    schema: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"type": "string"})
    example: Any = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a route takes.

    ``schema`` is a pydantic model, a serializer, or the name of a schema file.
    """

    schema: type | str
    example: Mapping[str, Any]
    media_types: tuple[str, ...] = (JSON,)
    files: Mapping[str, str] = dataclasses.field(
        default_factory=dict
    )  # of a form, and what each is
    required_files: Collection[str] = ()
    required: Collection[str] = ()  # fields that are checked beside the schema


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that is no refusal.

    ``content`` maps media types to the names of schemas; None is for bytes and plain text.
    """

    description: str
    content: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    headers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one route."""

    id: str  # unique in all contracts; generated clients name their functions by it
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    tag: str = ""  # where it is not the contract's
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    refusals: Collection[int] = KEYED
    scope: str = ""  # that a key needs
    public: bool = False  # answers whoever asks


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The routes of one facade or app, by ``"METHOD /path/{parameter}"``."""

    tags: Mapping[str, str]  # what each is about; the first is that of operations without one
    operations: Mapping[str, Operation]
    error: str = "native/error"  # the schema of its refusals
    paths: tuple[Parameter, ...] = ()  # of its paths, by name
    security: tuple[str, ...] = ("bearer", "session")  # each is enough by itself
    statuses: Mapping[int, str] = dataclasses.field(
        default_factory=dict
    )  # where they say otherwise
    servers: tuple[str, ...] = ()  # prefixes under which its paths answer too

    @property
    def tag(self) -> str:
        """The first of its tags, which is its name."""
        return next(iter(self.tags))
