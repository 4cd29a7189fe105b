"""Routes of webhooks, mounted below ``/v1/`` and ``/api/v1/`` alike."""

from django.urls import path

from webhooks import views

urlpatterns = [
    path("webhooks", views.WebhooksView.as_view()),
    path("webhooks/deliveries/<str:delivery_id>", views.DeliveryView.as_view()),
    path("webhooks/deliveries/<str:delivery_id>/redeliver", views.RedeliverView.as_view()),
    path("webhooks/<str:webhook_id>", views.WebhookView.as_view()),
    path("webhooks/<str:webhook_id>/rotate-secret", views.RotateSecretView.as_view()),
    path("webhooks/<str:webhook_id>/test", views.TestView.as_view()),
    path("webhooks/<str:webhook_id>/replay", views.ReplayView.as_view()),
    path("webhooks/<str:webhook_id>/deliveries", views.DeliveriesView.as_view()),
    path("events", views.EventsView.as_view()),
]
