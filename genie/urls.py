"""Routes of the ordinary Django handler: the admin and the management API."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("genie.tenants.urls")),
    path("api/", include("budgets.urls")),
]

handler400 = "genie.core.api.handler400"
handler403 = "genie.core.api.handler403"
handler404 = "genie.core.api.handler404"
handler500 = "genie.core.api.handler500"
