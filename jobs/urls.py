"""Mounts the facades. These routes run on the lean handler of ``genie.asgi``."""

from django.urls import path

from genie.core.lean import routes
from jobs.facades.genie import file_views, views
from jobs.facades.genie import urls as genie

urlpatterns = [
    *genie.mounted("v1/"),
    *genie.mounted("api/v1/"),
    path("files/<str:token>/<str:name>", routes(GET=file_views.file)),
    path("health", routes(GET=views.health)),
    path("ready", routes(GET=views.ready)),
]
