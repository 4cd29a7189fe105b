"""Routes of inference.net's contract: ``slow`` is the canonical word, ``async`` its alias where that is free.

``POST /v1/async/<type>`` is another contract's; the ids that it answers are read here all the same.
"""

from django.urls import path

from genie.core.lean import routes
from jobs.facades.inference_net import views

_GROUPS = {
    "group/chat/completions": routes(POST=views.chat_group),
    "group/completions": routes(POST=views.completion_group),
    "group/<str:group_id>/generations": routes(GET=views.group),
}

urlpatterns = [
    path("v1/generation/<str:generation_id>", routes(GET=views.generation)),
    path("v1/slow/chat/completions", routes(POST=views.chat)),
    path("v1/slow/completions", routes(POST=views.completions)),
    path("v1/slow/embeddings", routes(POST=views.embeddings)),
    *(path(f"v1/slow/{route}", view) for route, view in _GROUPS.items()),
    *(path(f"v1/async/{route}", view) for route, view in _GROUPS.items()),
]
