"""Sign in, sign out, and a new password: Django's own forms in our frame."""

from typing import Any

from django.contrib import auth, messages
from django.contrib.auth import views
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from genie.console import pages
from genie.tenants import memberships


class SignInView(views.LoginView):
    """The sign-in page; goes on to where the person wanted to be."""

    template_name = "console/sign_in.html"
    redirect_authenticated_user = True
    next_page = "/"

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, as every page is answered."""
        response = super().dispatch(*args, **kwargs)
        pages.unkept(response)
        return response


class WelcomeView(views.PasswordResetConfirmView):
    """The page that an invitation opens: a new person chooses a password."""

    template_name = "console/welcome.html"
    token_generator = memberships.tokens
    success_url = "/sign-in"

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, as every page is answered."""
        response = super().dispatch(*args, **kwargs)
        pages.unkept(response)
        return response

    def form_valid(self, form: Any) -> HttpResponse:
        """Report what was done."""
        messages.success(self.request, "Your password is set; sign in with it.")
        return super().form_valid(form)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    auth.logout(request)
    messages.success(request, "You are signed out.")
    return redirect("console:playground")


class PasswordView(views.PasswordChangeView):
    """The page where a signed-in person chooses a new password; other sessions end with it."""

    template_name = "console/password.html"
    success_url = "/account"

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, as every page is answered."""
        response = super().dispatch(*args, **kwargs)
        pages.unkept(response)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what the frame shows."""
        principal = pages.principal_of(self.request)
        more = {"principal": principal, **pages.frame(principal)}
        return super().get_context_data(**kwargs) | more

    def form_valid(self, form: Any) -> HttpResponse:
        """Report what was done."""
        messages.success(self.request, "Your password is changed; other sessions are signed out.")
        return super().form_valid(form)
