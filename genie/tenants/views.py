"""The management API of keys: translate, one domain call each."""

import uuid

from django.http import QueryDict
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from genie.core import errors, ids
from genie.tenants import selectors, services
from genie.tenants.permissions import HasOrganizationScope, caller
from genie.tenants.serializers import NewKeySerializer, api_key, minted

PAGE = 100  # keys on a page unless ``limit`` says otherwise
LARGEST_PAGE = 200


class ApiKeysView(APIView):
    """The keys of an organisation."""

    permission_classes = [HasOrganizationScope]

    def get(self, request: Request, org: str) -> Response:
        """List keys, newest first; revoked ones say since when."""
        limit, before = _page(request.query_params)
        rows = selectors.api_keys(caller(request).organization_id, limit=limit + 1, before=before)
        more = len(rows) > limit
        page = rows[:limit]
        return Response(
            {
                "data": [api_key(row) for row in page],
                "nextCursor": str(page[-1].id) if more else None,
            }
        )

    def post(self, request: Request, org: str) -> Response:
        """Make a key; this answer is the only place where its secret is ever shown."""
        body = NewKeySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        principal = caller(request)
        key = services.create_key(
            principal.organization_id, body.new_key(), by=principal, now=timezone.now()
        )
        return Response(minted(key.row, key.full_key), status=201)


class ApiKeyView(APIView):
    """One key of an organisation."""

    permission_classes = [HasOrganizationScope]

    def delete(self, request: Request, org: str, key_id: str) -> Response:
        """Revoke the key; revoking it again changes nothing and is no error."""
        identifier = ids.parse(key_id) if len(key_id) == 36 else None
        if identifier is None:
            raise errors.NotFound("There is nothing here.")
        services.revoke_key(caller(request).organization_id, identifier)
        return Response(status=204)


def _page(query: QueryDict) -> tuple[int, uuid.UUID | None]:
    """Return ``limit`` and ``cursor`` of a list.

    Raises:
        InvalidRequest: One is malformed, or there is another parameter.
    """
    for name in query:
        if name not in {"limit", "cursor"}:
            raise errors.InvalidRequest.of(name[:64], "there is no such parameter.")
    limit = query.get("limit", str(PAGE))
    if not (
        limit.isascii() and limit.isdigit() and len(limit) <= 4 and 1 <= int(limit) <= LARGEST_PAGE
    ):
        raise errors.InvalidRequest.of("limit", f"write a number from 1 to {LARGEST_PAGE}.")
    cursor = query.get("cursor")
    before = ids.parse(cursor) if cursor is not None and len(cursor) == 36 else None
    if cursor is not None and before is None:
        raise errors.InvalidRequest.of("cursor", "write the nextCursor of the page before.")
    return int(limit), before
