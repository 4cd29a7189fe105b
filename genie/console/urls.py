"""Routes of the pages for people. None lies below a prefix of the API."""

from django.urls import path

from genie.console import job_page, playground, sign_in

app_name = "console"

urlpatterns = [
    path("", playground.playground, name="playground"),
    path("jobs/<str:job_id>", job_page.job_page, name="job"),
    path("jobs/<str:job_id>/timeline", job_page.job_timeline, name="job-timeline"),
    path("sign-in", sign_in.SignInView.as_view(), name="sign-in"),
    path("sign-out", sign_in.sign_out, name="sign-out"),
    path("account/password", sign_in.PasswordView.as_view(), name="password"),
]
