"""Conditions that several tables are checked by."""

from django.db.models import Q

from budgets import windows

# The form of a window's period, as `windows.period_of` and PostgreSQL's to_char write it.
_PERIODS = {
    windows.WindowKind.DAILY: r"^\d{4}-(0[1-9]|1[0-2])-[0-3]\d$",
    windows.WindowKind.WEEKLY: r"^\d{4}-W[0-5]\d$",
    windows.WindowKind.MONTHLY: r"^\d{4}-(0[1-9]|1[0-2])$",
}


def layer_has_window() -> Q:
    """Return that the layer of a row has its window."""
    has = Q()
    for layer, kinds in windows.WINDOWS_OF.items():
        has |= Q(layer=layer.value, window__in=[kind.value for kind in kinds])
    return has


def period_of_its_kind() -> Q:
    """Return that the period of a row is written as those of its window are."""
    of_kind = Q()
    for kind, form in _PERIODS.items():
        of_kind |= Q(window=kind.value, period__regex=form)
    return of_kind | Q(window="total", period="total")
