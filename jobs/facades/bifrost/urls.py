"""Routes of Bifrost's async jobs: for each type its submit, and below it its poll."""

from django.urls import path

from genie.core.lean import routes
from jobs.dialects import bifrost
from jobs.facades.bifrost import views

_BASE = bifrost.PREFIX.removeprefix("/")

urlpatterns = [
    route
    for request_type, name in bifrost.PATHS.items()
    for route in (
        path(f"{_BASE}{name}", routes(POST=views.submits(request_type))),
        path(f"{_BASE}{name}/<str:job_id>", routes(GET=views.polls(request_type))),
    )
]
