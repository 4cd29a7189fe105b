"""The people of the organisation: who they are, what they may spend, and how they come and go."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from budgets import changes, permissions, serializers, services
from budgets.windows import Layer
from genie.console import forms, pages
from genie.console.access import manager_page
from genie.console.desk import caps, raising
from genie.core import errors, ids
from genie.tenants import memberships, people, selectors
from genie.tenants.models import Member
from genie.tenants.principal import Principal
from genie.tenants.scopes import Role


@require_safe
@manager_page
def members(request: HttpRequest, principal: Principal) -> HttpResponse:
    """List the members, and offer to add one."""
    return _list_page(request, principal)


@require_POST
@manager_page
def add(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Add a member; a person who is new here gets a page to choose a password on."""
    try:
        member = memberships.add(
            principal.organization_id,
            username=str(request.POST.get("username", "")).strip(),
            role=_role(request),
            by=principal,
        )
    except (*forms.Refusals, errors.Forbidden) as error:
        return _list_page(request, principal, problems=forms.problems(error), status=400)
    messages.success(request, f"{member.user.get_username()} is a member now.")
    return redirect("console:member", user_id=str(member.user_id))


@require_safe
@manager_page
def member(request: HttpRequest, principal: Principal, user_id: str) -> HttpResponse:
    """Show one member: role, caps, and how to let somebody in or go."""
    return _member_page(request, principal, _member(principal, user_id))


@require_POST
@manager_page
def change_role(request: HttpRequest, principal: Principal, user_id: str) -> HttpResponse:
    """Make a member something else."""
    row = _member(principal, user_id)
    try:
        memberships.change_role(
            principal.organization_id, row.user_id, _role(request), by=principal
        )
    except errors.Forbidden as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"{row.user.get_username()} is now: {_role(request)}.")
    if principal.user_id == row.user_id:
        return redirect("console:account")  # perhaps no manager any more
    return redirect("console:member", user_id=user_id)


@require_POST
@manager_page
def change_caps(request: HttpRequest, principal: Principal, user_id: str) -> HttpResponse:
    """Set what a member may spend."""
    row = _member(principal, user_id)
    try:
        permissions.require_other_member(principal, row.user_id)
        body = serializers.MemberBudgetSerializer(
            data=raising.typed(request) or caps.typed_caps(request, Layer.MEMBER)
        )
        body.is_valid(raise_exception=True)
        changes.change_member(
            row.id,
            row.user_id,
            body.change(),
            user_cap=body.user_cap(),
            by=principal.user_id,
            now=timezone.now(),
        )
    except (*forms.Refusals, errors.Forbidden) as error:
        return _member_page(request, principal, row, problems=forms.problems(error), status=400)
    messages.success(request, "The caps are saved; they act on the next request.")
    return redirect("console:member", user_id=user_id)


@require_POST
@manager_page
def invite(request: HttpRequest, principal: Principal, user_id: str) -> HttpResponse:
    """Make an invitation and show it: whoever opens it first chooses the password."""
    row = _member(principal, user_id)
    try:
        made = memberships.invitation(principal.organization_id, row.user_id, by=principal)
    except errors.Forbidden as error:
        messages.error(request, error.message)
        return redirect("console:member", user_id=user_id)
    path = reverse("console:welcome", kwargs={"uidb64": made.uid, "token": made.token})
    return _member_page(request, principal, row, invitation=request.build_absolute_uri(path))


@require_POST
@manager_page
def remove(request: HttpRequest, principal: Principal, user_id: str) -> HttpResponse:
    """End a membership."""
    row = _member(principal, user_id)
    try:
        memberships.remove(principal.organization_id, row.user_id, by=principal)
    except errors.Forbidden as error:
        messages.error(request, error.message)
        return redirect("console:member", user_id=user_id)
    messages.success(
        request, f"{row.user.get_username()} is no member any more, and their keys are gone."
    )
    return redirect("console:members")


def _list_page(
    request: HttpRequest,
    principal: Principal,
    *,
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "principal": principal,
        "section": "account",
        "part": "members",
        "people": people.people(principal.organization_id),
        "roles": _offered(principal),
        "problems": problems or {},
        "typed": request.POST if problems else {"role": Role.MEMBER},
    }
    return pages.render(request, "console/desk/members.html", context, status=status)


def _member_page(
    request: HttpRequest,
    principal: Principal,
    row: Member,
    *,
    problems: dict[str, str] | None = None,
    invitation: str = "",
    status: int = 200,
) -> HttpResponse:
    balances = services.balances([(Layer.MEMBER, row.id)])
    context = {
        "principal": principal,
        "section": "account",
        "part": "members",
        "member": row,
        "may_sign_in": row.user.has_usable_password(),
        "invitation": invitation,
        "roles": _offered(principal),
        "fields": caps.cap_fields(
            balances,
            problems=problems,
            typed=request.POST if problems and "raises" not in problems else None,
        ),
        "problems": problems or {},
        "raising": raising.offered(balances, request, problems=problems),
    }
    return pages.render(request, "console/desk/member.html", context, status=status)


def _offered(principal: Principal) -> list[Role]:
    return [role for role in Role if role is not Role.OWNER or principal.role is Role.OWNER]


def _role(request: HttpRequest) -> Role:
    text = str(request.POST.get("role", ""))
    if text not in set(Role):
        raise errors.InvalidRequest.of("role", f"must be one of {', '.join(Role)}.")
    return Role(text)


def _member(principal: Principal, user_id: str) -> Member:
    identifier: uuid.UUID | None = ids.parse(user_id) if len(user_id) == 36 else None
    found = identifier and selectors.member_of_user(principal.organization_id, identifier)
    if not found:
        raise errors.NotFound("Your organization has no such member.")
    return found
