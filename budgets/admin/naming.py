"""What the lists of money share: names instead of ids, credits, and the organisation's filter."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from budgets import money
from budgets.windows import Layer, WindowKind
from genie.core import ids
from genie.core.admin import ReadOnlyAdmin, link
from genie.tenants import selectors as tenants

NOTHING = "-"
UNLIMITED = "unlimited"
_PAGES: Mapping[Layer, str] = {
    Layer.ORG: "tenants_organization",
    Layer.APPLICATION: "tenants_application",
    Layer.MEMBER: "tenants_member",
    Layer.USER: "tenants_user",
}
_OFFERED = 30  # organisations in the filter; any other is found by its slug in the search box


def shown(microcredits: int | None) -> str:
    """Return an amount as credits for people."""
    return NOTHING if microcredits is None else money.to_text(microcredits)


def cap_shown(microcredits: int | None) -> str:
    """Return a cap as credits for people."""
    return UNLIMITED if microcredits is None else money.to_text(microcredits)


def job_link(reference: uuid.UUID) -> str:
    """Return a link to a job, by the spelling of its id that callers see."""
    return link("jobs_job", reference, ids.bare(reference))


def plainly_named(names: Mapping[uuid.UUID, tenants.Name], identifier: uuid.UUID) -> str:
    """Return a payer's name, where the row itself is a link; the id of one that was deleted."""
    return str(names.get(identifier, identifier))


def named(
    names: Mapping[uuid.UUID, tenants.Name],
    layer: Layer,
    identifier: uuid.UUID | None,
    *,
    short: bool = False,
) -> str:
    """Return a payer's name as a link to its page; the id of one that was deleted.

    ``short`` leaves out the organisation, where another column shows it.
    """
    if identifier is None:
        return NOTHING
    name = names.get(identifier)
    if name is None:
        return str(identifier)
    return link(_PAGES[layer], identifier, (short and name.own) or name)


class NamedAdmin(ReadOnlyAdmin):
    """A list that finds its rows by who pays, or by what they are about, whatever they are called."""

    def of_organization(self, rows: QuerySet[Any], organization_id: uuid.UUID) -> QuerySet[Any]:
        """Return those of the rows that belong to the organisation; by default none is known to."""
        del organization_id
        return rows.none()

    def of_reference(self, rows: QuerySet[Any], identifier: uuid.UUID) -> QuerySet[Any]:
        """Return those of the rows that this id is about."""
        raise NotImplementedError  # each list knows its own column

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the rows of one id, or of one organisation by its slug; each by an index."""
        del request
        term = search_term.strip()
        if not term:
            return queryset, False
        if (identifier := ids.parse(term)) is not None:
            return self.of_reference(queryset, identifier), False
        organization = tenants.organization(term)
        if organization is None:
            return queryset.none(), False
        return self.of_organization(queryset, organization.id), False


class LayerFilter(admin.SimpleListFilter):
    """One layer. Django's own filter would read the whole table to learn which there are."""

    title = "layer"
    parameter_name = "layer"
    values: Sequence[str] = [one.value for one in Layer]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        del request, model_admin
        return [(value, value) for value in self.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        if self.value() in self.values:
            return queryset.filter(**{self.parameter_name: self.value()})
        return queryset


class WindowFilter(LayerFilter):
    """One window."""

    title = "window"
    parameter_name = "window"
    values: Sequence[str] = [one.value for one in WindowKind]


class OrganizationFilter(admin.SimpleListFilter):
    """The rows of one organisation."""

    title = "organization"
    parameter_name = "organization"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self._of_organization = model_admin.of_organization
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        del request, model_admin
        slugs = [one.slug for one in tenants.organizations(limit=_OFFERED)]
        chosen = self.value()
        if chosen and chosen not in slugs:
            slugs.insert(0, chosen)
        return [(slug, slug) for slug in slugs]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        chosen = self.value()
        if not chosen:
            return queryset
        organization = tenants.organization(chosen)
        if organization is None:
            return queryset.none()
        rows: QuerySet[Any] = self._of_organization(queryset, organization.id)
        return rows
