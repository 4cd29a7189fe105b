"""For which of their organisations a signed-in person acts: the one that they chose, or their oldest.

The choice is the session's. Pages and the API ask here, so that what a person sees and what their
requests are billed to never differ.
"""

import uuid
from typing import Any

from genie.core import errors, ids
from genie.tenants import selectors
from genie.tenants.principal import Principal

_CHOSEN = "organization"  # the session's key; an id as text


def principal(user_id: uuid.UUID, session: Any) -> Principal | None:
    """Return an active user as a caller; None for a member of no organisation. Reads the database.

    An organisation that was chosen and left counts no more: the oldest membership does again.
    """
    chosen = _chosen(session)
    if chosen is not None:
        found = selectors.principal_for_user(user_id, organization_id=chosen)
        if found is not None:
            return found
    return selectors.principal_for_user(user_id)


def choose(user_id: uuid.UUID, session: Any, organization_id: uuid.UUID) -> Principal:
    """Act for this organisation from now on, in this session alone.

    Raises:
        NotFound: The user is no member of it; the same for one that does not exist.
    """
    found = selectors.principal_for_user(user_id, organization_id=organization_id)
    if found is None:
        raise errors.NotFound("You are a member of no such organization.")
    session[_CHOSEN] = str(organization_id)
    return found


def _chosen(session: Any) -> uuid.UUID | None:
    text = session.get(_CHOSEN) if session is not None else None
    return ids.parse(text) if isinstance(text, str) and len(text) == 36 else None
