"""What a chat's answer must look like: judged before admission, and written down for the engine."""

import asyncio
from collections.abc import Mapping
from typing import Any

from genie.core import errors
from inference import structured
from inference.structured import SchemaRejected
from jobs.intake.bodies import ChatBody, ResponseFormat


async def shape(body: ChatBody) -> dict[str, Any]:
    """Return the fields of the engine's request that shape the answer.

    Raises:
        InvalidRequest: A schema cannot be followed, or stop strings would break what it promises.
    """
    schema = _schema_of(body.response_format)
    if schema is None:
        return {}
    if body.stop:
        raise errors.InvalidRequest.of(
            "stop", "cannot be combined with a response_format of JSON, which it would cut"
        )
    await require_schema(schema, field="response_format.json_schema.schema")
    return {"schema": structured.canonical(schema)}  # as text: jsonb would sort its keys


async def require_schema(schema: Mapping[str, Any], *, field: str) -> None:
    """Judge a schema on a thread: it takes some tens of milliseconds where it is new.

    Raises:
        InvalidRequest: Naming the keyword.
    """
    try:
        await asyncio.to_thread(structured.check, schema)
    except SchemaRejected as error:
        raise errors.InvalidRequest.of(field, f"{error.keyword}: {error.message}") from None


def _schema_of(wanted: ResponseFormat | None) -> Mapping[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    given = wanted.json_schema.schema_ if wanted.json_schema else None
    return structured.ANY_OBJECT if given is None else given
