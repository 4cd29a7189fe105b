"""The playground: try any model in any mode, and take the same request along as code."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from genie.console import modalities, pages
from jobs import registry


@require_safe
def playground(request: HttpRequest) -> HttpResponse:
    """Show the form of one modality; the page's script speaks to the API as any caller does."""
    shapes = modalities.offered(registry.models().models)
    shape = modalities.named(request.GET.get("modality", ""), shapes)
    context = {
        "shape": shape,
        "shapes": shapes,
        "shape_data": {**shape.wire(), "kinds": modalities.KINDS},
        "section": "playground",
    }
    return pages.render(request, "console/playground.html", context)
