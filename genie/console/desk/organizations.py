"""The choice of a person who is a member of several organisations: for which one they act from now on."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from genie.console.access import member_page
from genie.core import errors, ids
from genie.tenants import acting
from genie.tenants.principal import Principal


@require_POST
@member_page
def choose(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Act for another organisation: pages show it, and requests of this session are billed to it."""
    named = str(request.POST.get("organization", ""))
    identifier = ids.parse(named) if len(named) == 36 else None
    if identifier is None or principal.user_id is None:
        raise errors.NotFound("You are a member of no such organization.")
    chosen = acting.choose(principal.user_id, request.session, identifier)
    messages.success(request, f"You act for {chosen.organization_slug} now.")
    return redirect("console:account")
