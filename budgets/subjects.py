"""Whom a cap is for, found by the names that people use. Reads tenants; knows no money."""

import uuid

from budgets.windows import Layer
from genie.core import errors
from genie.tenants import services as tenants


def find(org: str, *, layer: Layer, name: str | None) -> uuid.UUID:
    """Return the id that a cap of this layer is for.

    Args:
        org: An organisation's slug or UUID.
        layer: Which kind of subject.
        name: The application's name or the member's user name; None for the organisation itself.

    Raises:
        InvalidRequest: A name is missing, or given for the organisation's own layer.
        NotFound: There is no such organisation, application or member.
    """
    organization = tenants.existing_organization(org)
    if (layer is Layer.ORG) != (name is None):
        need = "takes no subject" if layer is Layer.ORG else "needs a subject: name it"
        raise errors.InvalidRequest.of("subject", f"The {layer} layer {need}.")
    match layer:
        case Layer.ORG:
            return organization.id
        case Layer.APPLICATION:
            return tenants.existing_application(organization, name or "").id
        case Layer.MEMBER:
            return tenants.existing_member(organization, name or "").id
        case Layer.USER:
            # Named through a membership, so that an operator's typing error cannot hit a stranger.
            return tenants.existing_member(organization, name or "").user_id
