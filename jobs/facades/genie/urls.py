"""Routes of the native contract, mounted under /v1 and /api/v1 alike."""

from django.urls import path

from genie.core.lean import routes
from jobs.facades.genie import views

urlpatterns = [
    path("chat/completions", routes(POST=views.chat_completions)),
    path("embeddings", routes(POST=views.embeddings)),
    path("models", routes(GET=views.models)),
    path("models/<path:model>", routes(GET=views.model)),
    path("jobs", routes(GET=views.jobs)),
    path("jobs/<str:job_id>", routes(GET=views.job, DELETE=views.cancel)),
    path("jobs/<str:job_id>/cancel", routes(POST=views.cancel)),
    path("jobs/<str:job_id>/events", routes(GET=views.job_events)),
]
