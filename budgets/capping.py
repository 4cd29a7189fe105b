"""Writes caps: what a subject may spend, raises for a time, what a hit does, and who is told of it.

Each acts on the next request, since the statement that locks the counters reads the caps. Decides
nothing about who may write; see ``permissions``.
"""

import datetime as dt
import uuid
from typing import TypedDict

from budgets import money, windows
from budgets.gate import OnCapHit
from budgets.models import Cap
from budgets.windows import Layer, WindowKind
from genie.core import crypto, errors
from genie.tenants import services as tenants
from webhooks import signing, transport


class AlertWebhookChange(TypedDict):
    """What to write of an application's alert webhook: judged, and the secret sealed."""

    url: str | tenants.Unchanged | None
    sealed_secret: str | tenants.Unchanged | None


def set_cap(
    layer: Layer,
    subject_id: uuid.UUID,
    window: WindowKind,
    cap_microcredits: int | None,
    *,
    now: dt.datetime,
    by: str = "",
) -> None:
    """Write one cap; None is unlimited, 0 allows nothing. Acts on the next request.

    A cap below what is spent and held already refuses new work and disturbs nothing. A temporary
    raise of the cap ends with this, or a lower cap would not act. ``by`` is who did it, as the
    cap's history shows it; a trigger appends to that.

    Raises:
        InvalidRequest: The layer does not have that window, or the amount cannot be a cap.
    """
    _check_window(layer, window)
    if cap_microcredits is not None and not 0 <= cap_microcredits <= money.MAX_MICROCREDITS:
        raise errors.InvalidRequest.of("cap", "A cap is between 0 and 1000000000 credits, or null.")
    Cap.objects.update_or_create(
        layer=layer,
        subject_id=subject_id,
        window=window,
        defaults={
            "cap_microcredits": cap_microcredits,
            "raised_microcredits": None,
            "raised_until": None,
            "updated_at": now,
            "updated_by": by,
        },
    )


def raise_cap(  # noqa: PLR0913 - what, and by whom
    layer: Layer,
    subject_id: uuid.UUID,
    window: WindowKind,
    to_microcredits: int,
    *,
    until: dt.datetime,
    now: dt.datetime,
    by: str = "",
) -> None:
    """Let a higher amount count instead of a cap until an instant; it ends by itself.

    Acts on the next request and replaces an earlier raise. When it ends, what was spent meanwhile
    stays spent, so the cap may then refuse until its window turns.

    Raises:
        InvalidRequest: There is no such cap, it is unlimited or not below the amount, the amount
            is too large, or the end is not after ``now``.
    """
    _check_window(layer, window)
    if until <= now:
        raise errors.InvalidRequest.of("until", "The end of a raise lies in the future.")
    if to_microcredits > money.MAX_MICROCREDITS:
        raise errors.InvalidRequest.of("to", "A cap is at most 1000000000 credits.")
    # One guarded statement: a cap that is lifted meanwhile is not raised. Null is below nothing.
    raised = Cap.objects.filter(
        layer=layer, subject_id=subject_id, window=window, cap_microcredits__lt=to_microcredits
    ).update(raised_microcredits=to_microcredits, raised_until=until, updated_at=now, updated_by=by)
    if not raised:
        raise errors.InvalidRequest.of("to", _not_to_raise(layer, subject_id, window))


def _not_to_raise(layer: Layer, subject_id: uuid.UUID, window: WindowKind) -> str:
    row = Cap.objects.filter(layer=layer, subject_id=subject_id, window=window).first()
    if row is None or row.cap_microcredits is None:
        return (
            f"The {window} cap of the {layer} layer is unlimited, so there is nothing to raise; "
            "set a cap first."
        )
    return (
        f"The {window} cap of the {layer} layer is {money.to_text(row.cap_microcredits)} credits; "
        "a raise goes above it."
    )


def end_raise(
    layer: Layer, subject_id: uuid.UUID, window: WindowKind, *, now: dt.datetime, by: str = ""
) -> None:
    """Let a cap itself count again, whether it was raised or not. Acts on the next request.

    Raises:
        InvalidRequest: The layer does not have that window.
    """
    _check_window(layer, window)
    Cap.objects.filter(layer=layer, subject_id=subject_id, window=window).exclude(
        raised_until=None
    ).update(raised_microcredits=None, raised_until=None, updated_at=now, updated_by=by)


def set_on_cap_hit(
    application_id: uuid.UUID, behaviour: OnCapHit, *, now: dt.datetime, by: str = ""
) -> None:
    """Say what all caps of an application do when they are hit. Acts on the next request.

    The caps of the other layers block whatever this says.
    """
    # A row for each window, with a cap or without: a cap that is set later finds the behaviour.
    Cap.objects.bulk_create(
        [
            Cap(
                layer=Layer.APPLICATION,
                subject_id=application_id,
                window=window,
                on_cap_hit=behaviour,
                updated_at=now,
                updated_by=by,
            )
            for window in windows.WINDOWS_OF[Layer.APPLICATION]
        ],
        update_conflicts=True,
        unique_fields=["subject_id", "layer", "window"],
        update_fields=["on_cap_hit", "updated_at", "updated_by"],
    )


def set_alert_webhook(
    organization_id: uuid.UUID,
    application_id: uuid.UUID,
    *,
    url: str | tenants.Unchanged | None = tenants.UNCHANGED,
    secret: str | tenants.Unchanged | None = tenants.UNCHANGED,
) -> None:
    """Say where an application is told about its caps, and what signs it; acts on the next request.

    Without a URL nobody is told and no secret is kept; without a secret alerts are not signed.
    A look-up of the host may take a second: call it outside a transaction.

    Raises:
        InvalidRequest: The URL may not be called, the secret cannot be one, or there is a secret
            but no URL.
        NotFound: The organisation has no such application.
    """
    change = judge_alert_webhook(url=url, secret=secret)
    tenants.set_alert_webhook(organization_id, application_id, **change)


def judge_alert_webhook(
    *, url: str | tenants.Unchanged | None, secret: str | tenants.Unchanged | None
) -> AlertWebhookChange:
    """Return what ``tenants.write_alert_webhook`` is to write; see ``set_alert_webhook``.

    Raises:
        InvalidRequest: The URL may not be called, or the secret cannot be one.
    """
    if isinstance(url, str):
        transport.check_url(url, field="alertWebhookUrl")
    if isinstance(secret, str):
        if problem := signing.secret_problem(secret):
            raise errors.InvalidRequest.of("alertWebhookSecret", problem)
        secret = crypto.seal(secret)
    return {"url": url, "sealed_secret": secret}


def _check_window(layer: Layer, window: WindowKind) -> None:
    if window not in windows.WINDOWS_OF[layer]:
        having = ", ".join(windows.WINDOWS_OF[layer])
        raise errors.InvalidRequest.of(
            "window", f"The {layer} layer has no {window} window; it has: {having}."
        )
