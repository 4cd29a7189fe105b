"""The bases of read-only admin pages over large tables: bounded lists, and nothing to change."""

from collections.abc import Sequence
from typing import Any, cast

import psycopg
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

# The newest rows that a list shows; a search or a filter reaches the others.
SHOWN = 1_000
TOO_MUCH = (
    "That search or filter read too many rows. Narrow it, by time or by an id, and try again."
)


class BoundedPaginator(Paginator[Any]):
    """Never counts a whole table: that reads all of it for a number nobody needs."""

    @property
    def is_cut(self) -> bool:
        """Whether there may be more rows than are shown."""
        return self.count >= SHOWN

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most ``SHOWN``."""
        return len(self.keys)

    @cached_property
    def keys(self) -> list[Any]:
        """Return the keys of the rows in their order, at most ``SHOWN``: one search for all pages."""
        rows = cast("QuerySet[Any]", self.object_list)
        return list(rows.values_list("pk", flat=True)[:SHOWN])


class BoundedChangeList(ChangeList):
    """Says when a list is cut, and offers to "show all" only where something is filtered away."""

    is_cut = False

    def get_results(self, request: HttpRequest) -> None:
        """Load the rows of this page, and at once what all of them refer to."""
        super().get_results(request)
        self.result_list = rows = self._page()
        cast("ReadOnlyAdmin", self.model_admin).look_up(rows)
        self.is_cut = self.paginator.is_cut
        if not (self.query or self.has_active_filters):
            self.show_full_result_count, self.full_result_count = True, self.result_count

    def _page(self) -> list[Any]:
        """Return the rows of the page by their keys: what was searched for is not searched for again."""
        keys = self.paginator.keys
        if self.multi_page and not (self.show_all and self.can_show_all):
            first = (self.page_num - 1) * self.list_per_page
            keys = keys[first : first + self.list_per_page]
        rows = self.apply_select_related(self.root_queryset).order_by().in_bulk(keys)
        return [rows[key] for key in keys if key in rows]


class ReadOnly:
    """Takes away adding, changing and deleting, from a page or an inline."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False


class ReadOnlyAdmin(ReadOnly, admin.ModelAdmin[Any]):
    """Shows rows, newest first where the key is in time order, and changes none."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count the whole table, once for each choice
    list_per_page = 50
    actions: Any = None
    change_list_template = "admin/bounded_change_list.html"
    change_form_template = "admin/read_only_change_form.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list; a search or a filter that reads for too long is given up with a word."""
        try:
            return super().changelist_view(request, extra_context)
        except OperationalError as error:
            if not (request.GET and isinstance(error.__cause__, psycopg.errors.QueryCanceled)):
                raise
            self.message_user(request, TOO_MUCH, level=messages.WARNING)
            return HttpResponseRedirect(request.path)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that knows that it is bounded."""
        del request, kwargs
        return BoundedChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Return the row of a page, with what it refers to."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.look_up([row])
        return row

    def look_up(self, rows: Sequence[Any]) -> None:
        """Set on the rows, as attributes, what their columns show of other tables.

        Called once for all rows of a page, so that its number of statements does not grow.
        """


def link(page: str, key: object, text: object) -> SafeString:
    """Return a link to the page of one object, such as ``jobs_job``; the text is escaped."""
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{page}_change", args=[key]), text)


def list_link(page: str, query: str, text: object) -> SafeString:
    """Return a link to the list of a table, such as ``budgets_entry``, searched or filtered."""
    address = reverse(f"admin:{page}_changelist")
    return format_html('<a href="{}?{}">{}</a>', address, query, text)
