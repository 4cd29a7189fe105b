"""The public halves of the signing keys, at a well-known address, for anyone."""

from typing import Any

from django.conf import settings
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webhooks import signing_keys

PATH = ".well-known/genie-webhooks.json"
MAX_AGE_S = 3600  # a new key stands in the ring for longer than this before it signs


@method_decorator(
    [conditional_page, cache_control(public=True, max_age=MAX_AGE_S)], name="dispatch"
)
class KeySetView(APIView):
    """A JSON Web Key Set (RFC 7517); without a signing key it is empty. Asks no database."""

    authentication_classes: Any = ()
    permission_classes: Any = ()

    def get(self, request: Request) -> Response:
        """Return the set, in the order of the setting; the first signs."""
        del request
        return Response(
            signing_keys.key_set(signing_keys.ring(settings.GENIE_WEBHOOK_SIGNING_KEYS))
        )
