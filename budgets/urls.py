"""Routes of the management API of caps, below ``/api/``."""

from django.urls import path

from budgets import views

urlpatterns = [
    path("orgs/<str:org>/budget", views.OrganizationBudgetView.as_view()),
    path("orgs/<str:org>/applications/<str:application_id>", views.ApplicationView.as_view()),
    path("orgs/<str:org>/members/<str:user_id>/budget", views.MemberBudgetView.as_view()),
]
