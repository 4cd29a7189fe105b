"""The playground: try any model in any mode, and take the same request along as code."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from genie.console import pages, shapes


@require_safe
def playground(request: HttpRequest) -> HttpResponse:
    """Show the form of one modality; the page's script speaks to the API as any caller does."""
    shape = shapes.named(request.GET.get("modality", ""))
    context = {
        "shape": shape,
        "shapes": shapes.SHAPES,
        "shape_data": shape.wire(),
        "upload_limit_mib": settings.GENIE_UPLOAD_LIMIT_BYTES >> 20,
        "section": "playground",
    }
    return pages.render(request, "console/playground.html", context)
