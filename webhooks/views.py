"""The HTTP API of webhooks: translate, make one call each, answer."""

import uuid
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from genie.core import errors, ids
from genie.tenants.permissions import caller
from webhooks import (
    delivery,
    endpoints,
    naming,
    pulling,
    queries,
    resending,
    selectors,
    serializers,
)
from webhooks.models import Delivery, Endpoint, Event
from webhooks.naming import Place
from webhooks.permissions import MayUseWebhooks

MAX_PAGE_BYTES = 4 << 20  # of events' bodies; a page of large ones is a short page


class WebhooksView(APIView):
    """The endpoints of the caller's organisation."""

    permission_classes = [MayUseWebhooks]

    def get(self, request: Request) -> Response:
        """List them, in the order of their creation."""
        rows = selectors.endpoints(
            caller(request).organization_id, limit=endpoints.MAX_PER_ORGANIZATION
        )
        return Response(_list([serializers.endpoint(one) for one in rows], next_cursor=None))

    def post(self, request: Request) -> Response:
        """Register one; this answer and that of a rotation are the only ones that show its secret."""
        body = serializers.EndpointSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = endpoints.create(caller(request).organization_id, body.spec())
        return Response(serializers.minted(made), status=201)


class WebhookView(APIView):
    """One endpoint."""

    permission_classes = [MayUseWebhooks]

    def get(self, request: Request, webhook_id: str) -> Response:
        """Show it with its health."""
        return Response(serializers.endpoint(_endpoint(request, webhook_id)))

    def patch(self, request: Request, webhook_id: str) -> Response:
        """Change the fields that the body names."""
        body = serializers.EndpointSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        changed = endpoints.change(
            caller(request).organization_id, _endpoint_id(webhook_id), body.changes()
        )
        return Response(serializers.endpoint(changed))

    def delete(self, request: Request, webhook_id: str) -> Response:
        """Delete it; what is still to be sent to it ends."""
        endpoints.delete(caller(request).organization_id, _endpoint_id(webhook_id))
        return Response(status=204)


class RotateSecretView(APIView):
    """The secret of an endpoint."""

    permission_classes = [MayUseWebhooks]

    def post(self, request: Request, webhook_id: str) -> Response:
        """Make a fresh one; the one before signs too for a day."""
        _require_no_body(request)
        made = endpoints.rotate_secret(caller(request).organization_id, _endpoint_id(webhook_id))
        return Response(serializers.minted(made))


class TestView(APIView):
    """The test action of an endpoint."""

    permission_classes = [MayUseWebhooks]

    def post(self, request: Request, webhook_id: str) -> Response:
        """Send ``webhook.test`` now and say how it went; 200 also where it failed."""
        _require_no_body(request)
        result = delivery.send_test(_endpoint(request, webhook_id), now=timezone.now())
        return Response(serializers.test_result(result))


class ReplayView(APIView):
    """What an endpoint has missed."""

    permission_classes = [MayUseWebhooks]

    def post(self, request: Request, webhook_id: str) -> Response:
        """Send it again, the oldest first; ``next_cursor`` says where another call goes on."""
        body = serializers.ReplaySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        endpoint = _endpoint(request, webhook_id)
        values = body.validated_data
        replayed = resending.replay(endpoint, since=values["since"], after=values.get("cursor"))
        answer = {
            "examined": replayed.examined,
            "replayed": len(replayed.delivery_ids),
            "has_more": replayed.next is not None,
            "next_cursor": replayed.next and naming.encode_cursor(replayed.next),
        }
        return Response(answer, status=202)


class DeliveriesView(APIView):
    """The notification log of an endpoint."""

    permission_classes = [MayUseWebhooks]

    def get(self, request: Request, webhook_id: str) -> Response:
        """List its deliveries, the newest first."""
        wanted = queries.log_filter(request.query_params)
        found = selectors.deliveries_to(_endpoint(request, webhook_id).id, wanted)
        page = found[: wanted.limit - 1]
        more = len(found) > len(page)
        last = naming.encode_cursor(Place(page[-1].created_at, page[-1].id)) if more else None
        return Response(_list([serializers.delivery(one) for one in page], next_cursor=last))


class DeliveryView(APIView):
    """One delivery."""

    permission_classes = [MayUseWebhooks]

    def get(self, request: Request, delivery_id: str) -> Response:
        """Show it with the bytes that it sends and its attempts."""
        row = _delivery(request, _uuid(delivery_id))
        log = list(selectors.attempts(row.id))
        return Response(serializers.delivery_with_log(row, log))


class RedeliverView(APIView):
    """The redelivery of one delivery."""

    permission_classes = [MayUseWebhooks]

    def post(self, request: Request, delivery_id: str) -> Response:
        """Send its bytes once more; answers with the delivery that does so."""
        _require_no_body(request)
        organization_id = caller(request).organization_id
        again = resending.redeliver(
            _delivery(request, _uuid(delivery_id)).id, organization_id=organization_id
        )
        return Response(serializers.delivery(_delivery(request, again)), status=202)


class EventsView(APIView):
    """The events of the organisation, for callers who cannot receive them."""

    permission_classes = [MayUseWebhooks]

    def get(self, request: Request) -> Response:
        """Return events after a cursor, the oldest first; ``Prefer: wait=N`` waits for the first one."""
        wanted = queries.EventQuery(
            request.query_params, prefer=request.META.get("HTTP_PREFER", "")
        )
        found = pulling.pull(caller(request).organization_id, wanted)
        page = _within_bytes(found[: wanted.limit])
        last = Place(page[-1].created_at, page[-1].id) if page else wanted.after
        body = _list(
            [serializers.event(one) for one in page], next_cursor=naming.encode_cursor(last)
        )
        return Response({**body, "has_more": len(found) > len(page)})


def _within_bytes(events: list[Event]) -> list[Event]:
    """Return as many as fit a page, and at least one."""
    size = 0
    for place, event in enumerate(events):
        size += len(event.body)
        if place and size > MAX_PAGE_BYTES:
            return events[:place]
    return events


def _list(data: list[dict[str, Any]], *, next_cursor: str | None) -> dict[str, Any]:
    return {
        "object": "list",
        "data": data,
        "has_more": next_cursor is not None,
        "next_cursor": next_cursor,
    }


def _endpoint(request: Request, webhook_id: str) -> Endpoint:
    found = selectors.endpoint(
        _endpoint_id(webhook_id), organization_id=caller(request).organization_id
    )
    if found is None:
        raise errors.NotFound("There is nothing here.")
    return found


def _endpoint_id(text: str) -> uuid.UUID:
    found = naming.parse_endpoint_id(text)
    if found is None:
        raise errors.NotFound("There is nothing here.")
    return found


def _delivery(request: Request, delivery_id: uuid.UUID) -> Delivery:
    found = selectors.delivery(delivery_id, organization_id=caller(request).organization_id)
    if found is None:
        raise errors.NotFound("There is nothing here.")
    return found


def _uuid(text: str) -> uuid.UUID:
    found = ids.parse(text) if len(text) == 36 else None
    if found is None:
        raise errors.NotFound("There is nothing here.")
    return found


def _require_no_body(request: Request) -> None:
    serializers.NothingSerializer(data=request.data).is_valid(raise_exception=True)
