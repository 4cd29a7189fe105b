"""The management API of caps: translate, one domain call each, answer with the caps as they are now."""

import datetime as dt
import uuid
from typing import Any, NoReturn

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from budgets import changes, permissions, serializers, services
from budgets.permissions import MayManageBudgets
from budgets.windows import Layer
from genie.core import errors, ids
from genie.tenants import selectors as tenants
from genie.tenants.permissions import caller
from genie.tenants.principal import Principal
from genie.tenants.services import Unchanged


class OrganizationBudgetView(APIView):
    """The organisation's own caps."""

    permission_classes = [MayManageBudgets]

    def get(self, request: Request, org: str) -> Response:
        """Show them."""
        return Response(_organization(caller(request).organization_id))

    def patch(self, request: Request, org: str) -> Response:
        """Change those that the body names."""
        principal = caller(request)
        permissions.require_owner(principal)
        body = serializers.OrganizationBudgetSerializer(data=_body(request))
        body.is_valid(raise_exception=True)
        changes.change_caps(
            Layer.ORG, principal.organization_id, body.change(), by=_by(principal), now=_now()
        )
        return Response(_organization(principal.organization_id))


class ApplicationView(APIView):
    """What an application may spend, what happens at its caps, and who is told."""

    permission_classes = [MayManageBudgets]

    def get(self, request: Request, org: str, application_id: str) -> Response:
        """Show it."""
        return Response(_application(caller(request).organization_id, _id(application_id)))

    def patch(self, request: Request, org: str, application_id: str) -> Response:
        """Change what the body names."""
        principal, identifier = caller(request), _id(application_id)
        _application(principal.organization_id, identifier)
        permissions.require_other_application(principal, identifier)
        body = serializers.ApplicationSerializer(data=_body(request))
        body.is_valid(raise_exception=True)
        changes.change_application(
            principal.organization_id,
            identifier,
            body.application_change(),
            by=_by(principal),
            now=_now(),
        )
        return Response(_application(principal.organization_id, identifier))


class MemberBudgetView(APIView):
    """What a member may spend."""

    permission_classes = [MayManageBudgets]

    def get(self, request: Request, org: str, user_id: str) -> Response:
        """Show it."""
        member_id, identifier = _member(caller(request), user_id)
        return Response(_member_budget(member_id, identifier))

    def patch(self, request: Request, org: str, user_id: str) -> Response:
        """Change what the body names."""
        principal = caller(request)
        member_id, identifier = _member(principal, user_id)
        permissions.require_other_member(principal, identifier)
        body = serializers.MemberBudgetSerializer(data=_body(request))
        body.is_valid(raise_exception=True)
        user_cap = body.user_cap()
        if not isinstance(user_cap, Unchanged):
            permissions.require_operator(request)
        changes.change_member(
            member_id, identifier, body.change(), user_cap=user_cap, by=_by(principal), now=_now()
        )
        return Response(_member_budget(member_id, identifier))


def _body(request: Request) -> Any:
    """Return the body; none at all is a mistake of the sender, not a change of nothing."""
    if request.stream is None:
        raise errors.InvalidRequest.of(
            "", "the body is empty; send a JSON object with Content-Length"
        )
    return request.data


def _organization(organization_id: uuid.UUID) -> dict[str, Any]:
    balances = services.balances([(Layer.ORG, organization_id)])
    return {"organizationId": str(organization_id), **serializers.caps(balances)}


def _application(organization_id: uuid.UUID, application_id: uuid.UUID) -> dict[str, Any]:
    row = tenants.application_of(organization_id, application_id)
    if row is None:
        _nothing()
    balances = services.balances([(Layer.APPLICATION, application_id)])
    return {
        "applicationId": str(application_id),
        "name": row.name,
        **serializers.caps(balances),
        "onCapHit": balances[0].on_cap_hit.value,
        "alertWebhookUrl": row.alert_webhook_url,
        "alertWebhookSecretSet": row.alert_webhook_secret is not None,
    }


def _member(principal: Principal, user_id: str) -> tuple[uuid.UUID, uuid.UUID]:
    """Return the ids of a membership and of its user."""
    row = tenants.member_of_user(principal.organization_id, _id(user_id))
    if row is None:
        _nothing()
    return row.id, row.user_id


def _member_budget(member_id: uuid.UUID, user_id: uuid.UUID) -> dict[str, Any]:
    *own, everywhere = services.balances([(Layer.MEMBER, member_id), (Layer.USER, user_id)])
    # Of the user's cap the amount alone: what was spent on it elsewhere is not this organisation's.
    shown = {
        name: value for name, value in serializers.caps([everywhere]).items() if name != "raises"
    }
    return {"userId": str(user_id), **serializers.caps(own), **shown}


def _id(text: str) -> uuid.UUID:
    return (ids.parse(text) if len(text) == 36 else None) or _nothing()


def _nothing() -> NoReturn:
    raise errors.NotFound("There is nothing here.")


def _by(principal: Principal) -> uuid.UUID | None:
    return principal.key_id or principal.user_id


def _now() -> dt.datetime:
    return timezone.now()
