"""The bases of read-only admin pages over large tables. Registers nothing itself."""

from typing import Any, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

# The newest rows that a list shows; a search or a filter reaches the others.
SHOWN = 1_000


class BoundedPaginator(Paginator[Any]):
    """Never counts a whole table: that reads all of it for a number nobody needs."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most ``SHOWN``."""
        return len(cast("QuerySet[Any]", self.object_list).values_list("pk", flat=True)[:SHOWN])


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
    list_per_page = 50
    actions: Any = None
