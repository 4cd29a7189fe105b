"""Routes of the pages for people. None lies below a prefix of the API."""

from django.urls import path

from genie.console import job_page, playground, sign_in
from genie.console.desk import (
    applications,
    caps,
    deliveries,
    jobs,
    keys,
    members,
    organizations,
    overview,
    usage,
    webhooks,
)

app_name = "console"

urlpatterns = [
    path("", playground.playground, name="playground"),
    path("jobs/<str:job_id>", job_page.job_page, name="job"),
    path("jobs/<str:job_id>/timeline", job_page.job_timeline, name="job-timeline"),
    path("sign-in", sign_in.SignInView.as_view(), name="sign-in"),
    path("sign-out", sign_in.sign_out, name="sign-out"),
    path("welcome/<str:uidb64>/<str:token>", sign_in.WelcomeView.as_view(), name="welcome"),
    path("account", overview.overview, name="account"),
    path("account/organization", organizations.choose, name="choose-organization"),
    path("account/password", sign_in.PasswordView.as_view(), name="password"),
    path("account/jobs", jobs.jobs, name="jobs"),
    path("account/keys", keys.keys, name="keys"),
    path("account/keys/new", keys.create, name="new-key"),
    path("account/keys/<str:key_id>/revoke", keys.revoke, name="revoke-key"),
    path("account/usage", usage.usage, name="usage"),
    path("account/caps", caps.caps, name="caps"),
    path("account/caps/organization", caps.change_organization, name="organization-caps"),
    path("account/webhooks", webhooks.webhooks, name="webhooks"),
    path("account/webhooks/new", webhooks.create, name="new-webhook"),
    path("account/webhooks/<str:webhook_id>", webhooks.webhook, name="webhook"),
    path("account/webhooks/<str:webhook_id>/save", webhooks.change, name="save-webhook"),
    path("account/webhooks/<str:webhook_id>/<str:action>", webhooks.act, name="act-on-webhook"),
    path("account/deliveries/<str:delivery_id>", deliveries.delivery, name="delivery"),
    path("account/deliveries/<str:delivery_id>/again", deliveries.redeliver, name="redeliver"),
    path("account/members", members.members, name="members"),
    path("account/members/new", members.add, name="new-member"),
    path("account/members/<str:user_id>", members.member, name="member"),
    path("account/members/<str:user_id>/role", members.change_role, name="member-role"),
    path("account/members/<str:user_id>/caps", members.change_caps, name="member-caps"),
    path("account/members/<str:user_id>/invite", members.invite, name="invite-member"),
    path("account/members/<str:user_id>/remove", members.remove, name="remove-member"),
    path("account/applications", applications.applications, name="applications"),
    path("account/applications/new", applications.create, name="new-application"),
    path("account/applications/<str:application_id>", applications.application, name="application"),
    path(
        "account/applications/<str:application_id>/save",
        applications.change,
        name="save-application",
    ),
]
