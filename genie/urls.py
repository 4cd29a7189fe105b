"""Routes of the ordinary Django handler: pages, the admin, the management API, and what describes them all."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from genie.openapi.views import DocumentView, PageView
from jobs.scraping import MetricsView
from webhooks import published_keys

admin.site.site_header = "Genie administration"
admin.site.site_title = "Genie"
admin.site.index_title = "Everything that can be looked at and set"
admin.site.site_url = "/"  # the playground

urlpatterns = [
    # For who types the address; nothing is ever posted to it.
    path("admin", RedirectView.as_view(pattern_name="admin:index", http_method_names=["get"])),
    path("admin/", admin.site.urls),
    path("metrics", MetricsView.as_view()),
    path("openapi.json", DocumentView.as_view()),
    path("docs/api", PageView.as_view()),
    path(published_keys.PATH, published_keys.KeySetView.as_view()),
    path("api/", include("genie.tenants.urls")),
    path("api/", include("budgets.urls")),
    path("v1/", include("webhooks.urls")),
    path("api/v1/", include("webhooks.urls")),
    path("", include("genie.console.urls")),
]

handler400 = "genie.console.failures.bad_request"
handler403 = "genie.console.failures.forbidden"
handler404 = "genie.console.failures.not_found"
handler500 = "genie.console.failures.broken"
