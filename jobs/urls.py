"""Mounts the facades. These routes run on the lean handler of ``genie.asgi``."""

from django.urls import path

from genie.core.lean import routes
from jobs.facades.genie import urls as genie
from jobs.facades.genie import views

urlpatterns = [
    *genie.mounted("v1/"),
    *genie.mounted("api/v1/"),
    path("health", routes(GET=views.health)),
    path("ready", routes(GET=views.ready)),
]
