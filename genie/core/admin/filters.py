"""Filters of admin lists that read no table to learn what they may offer."""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from genie.core import ids

_WITHIN = {"hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1), "week": dt.timedelta(days=7)}


class TimeFilter(admin.DateFieldListFilter):
    """Rows of a day, a week, a month; called what it is, not after the column."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "time"


class _FormFilter(admin.FieldListFilter):
    """A filter that is a form: a page keeps what its other filters and its search say."""

    def kept(self, changelist: Any) -> list[tuple[str, str]]:
        """Return the parameters of the list that are not this filter's, for hidden fields; not the page."""
        own = {*self.expected_parameters(), "p"}
        return [
            (name, value)
            for name, values in changelist.filter_params.items()
            if name not in own
            for value in values
        ]

    def text(self, name: str) -> str:
        """Return what a parameter was given as; empty for none."""
        given = self.used_parameters.get(name, "")
        return str(given[-1] if isinstance(given, list) and given else given or "")


class RangeFilter(_FormFilter):
    """Rows of the last hour, day or week, or between two instants in UTC."""

    template = "admin/range_filter.html"

    def __init__(
        self, field: Any, request: Any, params: Any, model: Any, model_admin: Any, field_path: str
    ) -> None:
        name = field_path.removesuffix("_at").removesuffix("_time")
        self.within_name, self.from_name, self.until_name = (
            f"{name}_{suffix}" for suffix in ("within", "from", "until")
        )
        super().__init__(field, request, params, model, model_admin, field_path)
        self.title = "time"

    def expected_parameters(self) -> list[str | None]:
        """Return the names of the three parameters."""
        return [self.within_name, self.from_name, self.until_name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the range."""
        del request
        since, until = self.range()
        if since is not None:
            queryset = queryset.filter(**{f"{self.field_path}__gte": since})
        if until is not None:
            queryset = queryset.filter(**{f"{self.field_path}__lt": until})
        return queryset

    def range(self) -> tuple[dt.datetime | None, dt.datetime | None]:
        """Return from when, and until when; None is open.

        Raises:
            IncorrectLookupParameters: Something is no time.
        """
        within = self.text(self.within_name)
        if within in _WITHIN:
            return timezone.now() - _WITHIN[within], None
        return self._instant(self.from_name), self._instant(self.until_name)

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the links; the form beside them reads the filter itself."""
        self.hidden = self.kept(changelist)
        own = [name for name in self.expected_parameters() if name]
        chosen = self.text(self.within_name)
        none = not any(self.text(name) for name in own)
        yield _choice("Any time", changelist.get_query_string(remove=own), selected=none)
        for word in _WITHIN:
            address = changelist.get_query_string({self.within_name: word}, remove=own)
            yield _choice(f"The last {word}", address, selected=chosen == word)

    @property
    def fields(self) -> list[tuple[str, str, str]]:
        """Label, name and value of the two ends."""
        return [
            (label, name, self.text(name))
            for label, name in (("From, UTC", self.from_name), ("Until, UTC", self.until_name))
        ]

    def _instant(self, name: str) -> dt.datetime | None:
        text = self.text(name)
        if not text:
            return None
        try:
            instant = dt.datetime.fromisoformat(text.replace(" ", "+"))
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error
        return instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)


class TypeAheadFilter(_FormFilter):
    """Rows that refer to one row of another table, whose name is typed; see ``TypeAheadMedia``.

    The admin's own autocomplete offers what there is, to who may look at it. A name that is typed
    without it, or an id, does as well.
    """

    template = "admin/type_ahead_filter.html"
    by = ""  # the unique column of the other table that is its name

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, **kw: Any
    ) -> None:
        super().__init__(field, request, params, model, model_admin, **kw)
        self._column: Any = field
        other = model_admin.admin_site.get_model_admin(field.related_model)
        self._may_look = bool(other.has_view_permission(request))
        self.value = self.text(self.field_path).strip()
        self.key = self._key()  # of the chosen row; None where there is none

    def expected_parameters(self) -> list[str | None]:
        """Return the name of the parameter: the column's."""
        return [self.field_path]

    def has_output(self) -> bool:
        """Offer it only to who may look at what it offers."""
        return self._may_look

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the chosen one; none for a name that nothing has."""
        del request
        if not self.value:
            return queryset
        if self.key is None:
            return queryset.none()
        return queryset.filter(**{self.field_path: self.key})

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the way back; the form reads the filter itself."""
        self.hidden = self.kept(changelist)
        address = changelist.get_query_string(remove=[self.field_path])
        yield _choice("All", address, selected=not self.value)

    @property
    def source(self) -> str:
        """The address that offers names for what has been typed."""
        asked = {
            "app_label": self._column.model._meta.app_label,
            "model_name": self._column.model._meta.model_name,
            "field_name": self._column.name,
        }
        return f"{reverse('admin:autocomplete')}?{urlencode(asked)}"

    def _key(self) -> Any:
        if not self.value or "\0" in self.value:
            return None
        identifier = ids.parse(self.value)
        named = {"pk": identifier} if identifier is not None else {self.by: self.value}
        return (
            self._column.related_model.objects.filter(**named).values_list("pk", flat=True).first()
        )


class OrganizationFilter(TypeAheadFilter):
    """Rows of one organisation, by its slug."""

    by = "slug"


class UserFilter(TypeAheadFilter):
    """Rows of one user, by the user name."""

    by = "username"


class TypeAheadMedia(admin.ModelAdmin[Any]):
    """Loads the script of a ``TypeAheadFilter`` on its page."""

    @property
    def media(self) -> Any:
        own = forms.Media(js=["core/type_ahead.js"])
        return super().media + own


def _choice(display: str, query_string: str, *, selected: bool) -> dict[str, Any]:
    return {"display": display, "query_string": query_string, "selected": selected}
