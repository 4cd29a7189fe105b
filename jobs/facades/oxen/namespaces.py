"""Whose name a namespace is: an organisation's slug, or a user's for that user's default organisation."""

from typing import Any

from genie.core import errors
from genie.tenants.principal import Principal
from jobs import web


async def require(principal: Principal, name: Any) -> None:
    """Demand that a namespace stands for the caller's organisation; None does.

    Raises:
        NotFound: It stands for another, or for none: nobody can tell which.
        InvalidRequest: It is no text.
    """
    if name is None or name == principal.organization_slug:
        return
    if not isinstance(name, str):
        raise errors.InvalidRequest.of("target_namespace", "must be a string")
    if await web.organization_of_namespace(name) != principal.organization_id:
        raise errors.NotFound("There is no such namespace.")
