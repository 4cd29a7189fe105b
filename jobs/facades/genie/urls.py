"""Routes of the native contract, mounted under /v1 and /api/v1 alike.

One flat list for each mount: Django's resolver makes a match object at every level of nesting, and
these are the busiest routes that there are. Polls come first, but for the one fixed name that would
read as a job's id: a route without parameters is a comparison of two strings.
"""

from django.urls import URLPattern, path

from genie.core.lean import routes
from jobs.facades.genie import spending_views, views
from jobs.serving import views as shared

_ROUTES = {
    "jobs/quote": routes(POST=views.quote),
    "jobs/<str:job_id>": routes(GET=views.job, DELETE=views.cancel),
    "chat/completions": routes(POST=shared.chat_completions),
    "completions": routes(POST=shared.completions),
    "responses": routes(POST=shared.responses),
    "embeddings": routes(POST=shared.embeddings),
    "rerank": routes(POST=views.rerank),
    "images/generations": routes(POST=shared.images),
    "videos/generations": routes(POST=shared.videos),
    "videos/transitions": routes(POST=shared.transitions),
    "audio/speech": routes(POST=shared.speech),
    "audio/transcriptions": routes(POST=shared.transcriptions),
    "models": routes(GET=shared.models),
    "models/<path:model>": routes(GET=shared.model),
    "jobs": routes(GET=views.jobs),
    "jobs/<str:job_id>/cancel": routes(POST=views.cancel),
    "jobs/<str:job_id>/events": routes(GET=views.job_events),
    "budgets/effective": routes(GET=spending_views.effective),
    "usage": routes(GET=spending_views.usage),
}


def mounted(prefix: str) -> list[URLPattern]:
    """Return the routes below ``prefix``, such as ``v1/``."""
    return [path(prefix + route, view) for route, view in _ROUTES.items()]
