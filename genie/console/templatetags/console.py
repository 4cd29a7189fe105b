"""How pages write amounts, moments and states."""

import datetime as dt
import re
from typing import Any

from django import template
from django.utils.html import format_html

register = template.Library()

_KIND = re.compile(r"[a-z]+[-_]")


@register.filter(name="credits")
def in_credits(amount: float | None) -> str:
    """Return an amount in credits as the API says it, without an exponent; None is no limit.

    >>> in_credits(0.000001), in_credits(12), in_credits(None)
    ('0.000001', '12', 'no limit')
    """
    if amount is None:
        return "no limit"
    text = f"{amount:.6f}".rstrip("0").rstrip(".")
    whole, _, rest = text.partition(".")
    return f"{int(whole):,}" + (f".{rest}" if rest else "")


@register.filter
def moment(value: Any) -> Any:
    """Return a time element in UTC, which the page's script says in the reader's own zone."""
    if not value:
        return "-"
    at = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    at = at.astimezone(dt.UTC)
    return format_html(
        '<time datetime="{}">{}</time>',
        at.isoformat(timespec="seconds"),
        f"{at:%Y-%m-%d %H:%M} UTC",
    )


@register.filter
def badge(state: str) -> Any:
    """Return a state as a badge: a word, and a colour beside it."""
    return format_html('<span class="badge badge-{}">{}</span>', state, state)


@register.filter
def short(public_id: str) -> str:
    """Return an id that fits a narrow column: its kind, and the end that tells it from others.

    >>> short("chatcmpl-c3hbvc0maqwmf5jcuzeigdl39")
    'chatcmpl-…igdl39'
    >>> short("wh_c3hbvc0maqwmf5jcuzeigdl39")
    'wh_…igdl39'
    """
    kind = _KIND.match(public_id)
    return f"{kind[0]}…{public_id[-6:]}" if kind else public_id
