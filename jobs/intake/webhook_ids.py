"""Endpoints that a request names as inference.net's clients do: by ``webhook_id``, in its metadata or beside it.

Any contract's route may honour it: what it names becomes ``Envelope.generation_endpoint_id``, and the
endpoint is then told of the end in inference.net's words.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from genie.core import errors
from genie.tenants.principal import Principal
from jobs import web

FIELD = "metadata.webhook_id"
_UNKNOWN = "Unknown webhook_id"


async def in_metadata(principal: Principal, metadata: object) -> uuid.UUID | None:
    """Return the endpoint that a body's metadata names; None where it names none.

    Raises:
        InvalidRequest: It is unknown, disabled or another organisation's: one message for all.
    """
    if not isinstance(metadata, Mapping) or metadata.get("webhook_id") is None:
        return None
    return await named(principal, metadata["webhook_id"], field=FIELD)


async def named(principal: Principal, reference: Any, *, field: str) -> uuid.UUID:
    """Return the caller's enabled endpoint of this id or name.

    Raises:
        InvalidRequest: There is none, or the reference is no text.
    """
    found = None
    if isinstance(reference, str):
        found = await web.endpoint(principal.organization_id, reference)
    if found is None:
        raise errors.InvalidRequest(_UNKNOWN, details=[{"field": field, "message": _UNKNOWN}])
    return found
