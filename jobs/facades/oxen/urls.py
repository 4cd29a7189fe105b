"""Routes of Oxen's contract: the queue in its two generations, and pictures and videos to wait for.

The id routes of v1 have two segments after ``generations``, the status route three or more.
"""

from django.urls import path

from genie.core.lean import routes
from jobs.facades.oxen import views, waiting_views

_ROUTES = {
    "ai/queue": routes(GET=views.queue, POST=views.enqueue),
    "ai/queue/<str:generation_id>": routes(GET=views.queued, DELETE=views.cancel_queued),
    "media/generations/status/<str:namespace>/<path:model_name>": routes(GET=views.status),
    "media/generations/<str:namespace>/<str:generation_id>": routes(DELETE=views.cancel),
    "images/generate": routes(POST=waiting_views.images),
    "videos/generate": routes(POST=waiting_views.videos),
}

urlpatterns = [path(f"api/{route}", view) for route, view in _ROUTES.items()]
