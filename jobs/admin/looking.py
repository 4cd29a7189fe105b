"""How the list of jobs is looked through: every way by an index, and no further than is worth while.

A filter whose column has no index reads jobs, newest first, until it has found a page of them. Where
there are few it would read the table, so it looks through the newest jobs alone, and the page says so.
"""

import datetime as dt
import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from genie.core import ids
from genie.core.admin import BoundedChangeList, OrganizationFilter, RangeFilter
from genie.tenants import selectors as tenants
from inference.types import Modality
from jobs import registry
from jobs.models import IdempotencyKey, Job
from jobs.states import JobState

LOOKED_THROUGH = 100_000  # jobs; a quarter of a second where nothing matches
# States whose jobs an index has by themselves. Almost all jobs are completed, so a page of those is
# found at once without one.
_INDEXED = {state.value for state in JobState} - {JobState.COMPLETED.value}
# What reads through jobs; ``organization``, the id and the time have indexes.
_READING = ("queue", "model", "mode__exact", "parked_by__isempty")
_STATE = "state__exact"
_CLOCKS_DIFFER = dt.timedelta(hours=1)  # that of the web process which made an id, and PostgreSQL's
_IDS_ARE_OLDER = dt.timedelta(days=2)  # a batch's line has its id when it is checked, a day before


class CreatedFilter(RangeFilter):
    """Jobs by when they were submitted: their ids are in the order of time, and have an index."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the jobs of the range."""
        since, until = self.range()
        if since is not None:
            queryset = queryset.filter(id__gte=ids.first_of(since - _IDS_ARE_OLDER))
        if until is not None:
            queryset = queryset.filter(id__lt=ids.first_of(until + _CLOCKS_DIFFER))
        return super().queryset(request, queryset)

    @property
    def until(self) -> dt.datetime | None:
        """The end of the range."""
        return self.range()[1]


class QueueFilter(admin.SimpleListFilter):
    """One queue. Django's own filter would read the whole table to learn which there are."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the queues that there may be."""
        del request, model_admin
        names = {*map(str, Modality), *registry.models().queues()}
        return [(name, name) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the jobs of the queue."""
        del request
        return queryset.filter(queue=self.value()) if self.value() else queryset


class ModelFilter(QueueFilter):
    """One of the models that are served now."""

    title = "model"
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the models."""
        del request, model_admin
        known = registry.models()
        names = (spec.id for modality in Modality for spec in known.for_modality(modality))
        return [(name, name) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the jobs of the model."""
        del request
        return queryset.filter(model=self.value()) if self.value() else queryset


class JobChangeList(BoundedChangeList):
    """The list, which looks through no more than so many jobs."""

    looked_through = 0  # jobs, where that is a bound; else 0

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        """Return the jobs that are asked for; by time within an organization, as its index is."""
        found: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        organization_id = self._spec(OrganizationFilter, "key")
        if organization_id is not None:
            found = found.order_by("-created_at", "-id")
        until = self._spec(CreatedFilter, "until")
        if self._reads(organization_id) and (edge := _edge(organization_id, until=until)):
            self.looked_through = LOOKED_THROUGH
            found = found.filter(**edge)
        return found

    def _reads(self, organization_id: uuid.UUID | None) -> bool:
        state = self.params.get(_STATE)
        if state in _INDEXED:
            return organization_id is not None
        return state is not None or any(self.params.get(name) for name in _READING)

    def _spec(self, kind: type[Any], attribute: str) -> Any:
        """Return what a filter has been told; None where it has been told nothing."""
        found = (one for one in self.filter_specs if isinstance(one, kind))
        return next((getattr(one, attribute) for one in found), None)


def search(rows: QuerySet[Job], term: str) -> QuerySet[Job]:
    """Return the jobs of an id in any spelling, of an organisation's slug, or of an idempotency key.

    Each by an index. A key is its organisation's own, so several may have used it.
    """
    if (job_id := ids.parse(term)) is not None:
        return rows.filter(id=job_id)
    if (organization := tenants.organization(term)) is not None:
        # Newest first by the columns of the index that begins with the organisation.
        return rows.filter(organization_id=organization.id).order_by("-created_at", "-id")
    return rows.filter(id__in=_of_key(term))


def _of_key(key: str) -> list[uuid.UUID]:
    if "\0" in key:
        return []
    # The index begins with the organisation: a look into it for each.
    mine = IdempotencyKey.objects.filter(organization__in=tenants.organization_ids(), key=key)
    return list(mine.values_list("job_id", flat=True)[:LOOKED_THROUGH])


def _edge(organization_id: uuid.UUID | None, *, until: dt.datetime | None) -> dict[str, Any]:
    """Return the condition that leaves the jobs to look through; empty where there are no more."""
    rows, column = Job.objects.order_by("-id"), "id"
    if until is not None:
        rows = rows.filter(id__lt=ids.first_of(until + _CLOCKS_DIFFER))
    if organization_id is not None:
        rows = rows.filter(organization_id=organization_id).order_by("-created_at", "-id")
        column = "created_at"
    # Of the index alone: no row is read to find it.
    edge = rows.values_list(column, flat=True)[LOOKED_THROUGH - 1 : LOOKED_THROUGH].first()
    return {} if edge is None else {f"{column}__gte": edge}
