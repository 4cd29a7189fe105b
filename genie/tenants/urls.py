"""Routes of the management API of keys, below ``/api/``."""

from django.urls import path

from genie.tenants import views

urlpatterns = [
    path("orgs/<str:org>/api-keys", views.ApiKeysView.as_view()),
    path("orgs/<str:org>/api-keys/<str:key_id>", views.ApiKeyView.as_view()),
]
