"""Changes of one subject's caps as a manager asks for them: all of a request, or nothing of it."""

import dataclasses
import datetime as dt
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from budgets import capping
from budgets.gate import OnCapHit
from budgets.windows import Layer, WindowKind
from genie.core import errors
from genie.core.transactions import transaction
from genie.tenants import selectors
from genie.tenants import services as tenants
from genie.tenants.services import UNCHANGED, Unchanged

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """A temporary raise of one window; ``to`` None ends the raise that counts now."""

    window: WindowKind
    to: int | None  # micro-credits
    until: dt.datetime | None  # None only with `to`


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CapChange:
    """What to change; a window that is not named stays as it is, None makes it unlimited."""

    caps: Mapping[WindowKind, int | None]
    raises: tuple[Raise, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationChange:
    """What to change about an application's spending."""

    caps: CapChange
    on_cap_hit: OnCapHit | None = None  # None leaves it
    alert_webhook_url: str | Unchanged | None = UNCHANGED
    alert_webhook_secret: str | Unchanged | None = UNCHANGED


def change_caps(
    layer: Layer,
    subject_id: uuid.UUID,
    change: CapChange,
    *,
    by: uuid.UUID | None,
    now: dt.datetime,
) -> None:
    """Write the caps and raises of one subject in one transaction. Acts on the next request.

    Args:
        layer: The subject's layer.
        subject_id: Whose caps.
        change: What to write.
        by: The user or the key that asks, for the log.
        now: When; the end of a raise is judged against it.

    Raises:
        InvalidRequest: A raise is none: see ``capping.raise_cap``.
    """
    with transaction():
        _write(layer, subject_id, change, now=now, by=_who(by))
    _log(layer, subject_id, _named(change), by=by)


def change_member(
    member_id: uuid.UUID,
    user_id: uuid.UUID,
    change: CapChange,
    *,
    user_cap: int | Unchanged | None,
    by: uuid.UUID | None,
    now: dt.datetime,
) -> None:
    """Write a member's caps, and the daily cap of the user in all organisations where it is given.

    Raises:
        InvalidRequest: As ``change_caps``.
    """
    who = _who(by)
    with transaction():
        _write(Layer.MEMBER, member_id, change, now=now, by=who)
        if not isinstance(user_cap, Unchanged):
            capping.set_cap(Layer.USER, user_id, WindowKind.DAILY, user_cap, now=now, by=who)
    _log(Layer.MEMBER, member_id, _named(change), by=by)
    if not isinstance(user_cap, Unchanged):
        _log(Layer.USER, user_id, [WindowKind.DAILY], by=by)


def change_application(
    organization_id: uuid.UUID,
    application_id: uuid.UUID,
    change: ApplicationChange,
    *,
    by: uuid.UUID | None,
    now: dt.datetime,
) -> None:
    """Write an application's caps, what they do when they are hit, and who is told.

    Raises:
        InvalidRequest: As ``change_caps`` and ``capping.set_alert_webhook``.
        NotFound: The organisation has no such application any more.
    """
    who = _who(by)
    # Before the transaction: the host's name may have to be looked up.
    webhook = capping.judge_alert_webhook(
        url=change.alert_webhook_url, secret=change.alert_webhook_secret
    )
    with transaction():
        tenants.write_alert_webhook(organization_id, application_id, **webhook)
        if change.on_cap_hit is not None:
            capping.set_on_cap_hit(application_id, change.on_cap_hit, now=now, by=who)
        _write(Layer.APPLICATION, application_id, change.caps, now=now, by=who)
    others = [name for name, value in webhook.items() if value is not UNCHANGED]
    others += ["on cap hit"] if change.on_cap_hit is not None else []
    _log(Layer.APPLICATION, application_id, [*_named(change.caps), *others], by=by)


def _write(
    layer: Layer, subject_id: uuid.UUID, change: CapChange, *, now: dt.datetime, by: str
) -> None:
    raises = {one.window: (place, one) for place, one in enumerate(change.raises)}
    # In the order of the windows, so that two changes of one subject wait and never deadlock.
    for window in WindowKind:
        if window in change.caps:
            capping.set_cap(layer, subject_id, window, change.caps[window], now=now, by=by)
        if window in raises:
            place, one = raises[window]
            with _about(f"raises.{place}"):
                _raise(layer, subject_id, one, now=now, by=by)


def _who(by: uuid.UUID | None) -> str:
    """Return what the history of a cap calls a user, by name, or a key, by its id."""
    return f"{selectors.names([by]).get(by, by)} (API)" if by else ""


def _named(change: CapChange) -> list[str]:
    return [*change.caps, *(f"{one.window} raise" for one in change.raises)]


def _log(
    layer: Layer, subject_id: uuid.UUID, changed: Sequence[str], *, by: uuid.UUID | None
) -> None:
    """Say who has changed what, once it is committed; the amounts are in the table."""
    if changed:
        logger.info("%s %s: %s changed by %s", layer, subject_id, ", ".join(changed), by)


def _raise(layer: Layer, subject_id: uuid.UUID, one: Raise, *, now: dt.datetime, by: str) -> None:
    if one.to is None or one.until is None:
        capping.end_raise(layer, subject_id, one.window, now=now, by=by)
    else:
        capping.raise_cap(layer, subject_id, one.window, one.to, until=one.until, now=now, by=by)


@contextmanager
def _about(path: str) -> Iterator[None]:
    """Name the place in the request that a refusal is about."""
    try:
        yield
    except errors.InvalidRequest as error:
        found = error.extra.get("details")
        details = [
            {"field": f"{path}.{one['field']}", "message": one["message"]}
            for one in (found if isinstance(found, list) else ())
        ]
        raise errors.InvalidRequest(f"{path}.{error.message}", details=details) from error
