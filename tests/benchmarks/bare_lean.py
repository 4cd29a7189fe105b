"""A plain JSON view on Genie's own lean handler: what the handler costs without any work behind it."""

from tests.benchmarks import bare  # isort: skip - it configures Django

from django.http import HttpRequest, JsonResponse
from django.urls import path

from genie.core.lean import LeanHandler


async def plain(request: HttpRequest) -> JsonResponse:
    """Answer the same constant as ``bare.plain``."""
    return bare.plain(request)


urlpatterns = [path("plain", plain)]
application = LeanHandler(__name__, body_limit=lambda _: 1 << 20)
