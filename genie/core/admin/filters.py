"""Filters of admin lists that read no table to learn what they may offer."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

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
            for label, name in (("from", self.from_name), ("until", self.until_name))
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


class AutocompleteFilter(_FormFilter):
    """Rows that refer to one row of another table, found by typing; see ``AutocompleteMedia``."""

    template = "admin/autocomplete_filter.html"

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, **kw: Any
    ) -> None:
        super().__init__(field, request, params, model, model_admin, **kw)
        self._column: Any = field
        self._site = model_admin.admin_site
        other = self._site.get_model_admin(field.related_model)
        self._may_look = bool(other.has_view_permission(request))

    def expected_parameters(self) -> list[str | None]:
        """Return the name of the parameter: the column's."""
        return [self.field_path]

    def has_output(self) -> bool:
        """Offer it only to who may look at what it offers."""
        return self._may_look

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the chosen one."""
        del request
        if not (chosen := self.text(self.field_path)):
            return queryset
        try:
            return queryset.filter(**{self.field_path: self._column.target_field.to_python(chosen)})
        except (ValueError, ValidationError) as error:
            raise IncorrectLookupParameters(error) from error

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the way back; the form reads the filter itself."""
        self.hidden = self.kept(changelist)
        address = changelist.get_query_string(remove=[self.field_path])
        yield _choice("All", address, selected=not self.text(self.field_path))

    @property
    def form(self) -> forms.Form:
        """The form with the one field."""
        form = forms.Form(initial={self.field_path: self.text(self.field_path) or None})
        form.fields[self.field_path] = forms.ModelChoiceField(
            self._column.related_model.objects.all(),
            required=False,
            label=str(self.title),
            widget=AutocompleteSelect(self._column, self._site),
        )
        return form


class AutocompleteMedia(admin.ModelAdmin[Any]):
    """Loads what an ``AutocompleteFilter`` needs on its page."""

    @property
    def media(self) -> Any:
        """Return the scripts and style sheets of the page."""
        field = next(
            self.model._meta.get_field(one[0])
            for one in self.list_filter
            if isinstance(one, tuple) and one[1] is AutocompleteFilter
        )
        return super().media + AutocompleteSelect(field, self.admin_site).media


def _choice(display: str, query_string: str, *, selected: bool) -> dict[str, Any]:
    return {"display": display, "query_string": query_string, "selected": selected}
