"""Mounts the facades. These routes run on the lean handler of ``genie.asgi``."""

from django.urls import include, path

from jobs.facades.genie import views

urlpatterns = [
    path("v1/", include("jobs.facades.genie.urls")),
    path("api/v1/", include("jobs.facades.genie.urls")),
    path("health", views.health),
    path("ready", views.ready),
]
