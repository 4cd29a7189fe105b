"""What operators do with API keys: ``keys create|list|show|revoke``, and the commands of one verb each."""

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from genie.core import errors
from genie.core.commands import GenieCommand
from genie.tenants import limits, selectors, serializers, services
from genie.tenants.models import ApiKey, Organization
from genie.tenants.scopes import DEFAULT_SCOPES, Scope

MOST = 10_000  # rows; more belongs in the management API, page by page


def add_create_arguments(parser: ArgumentParser) -> None:
    """Add what making a key takes."""
    parser.add_argument("--org", required=True, metavar="SLUG", help="whose key")
    parser.add_argument("--name", default="command line", help="what the key is for")
    parser.add_argument("--application", metavar="NAME", help="whose caps it spends on, too")
    parser.add_argument(
        "--member", metavar="USERNAME", help="the holder, whose caps it spends on, too"
    )
    parser.add_argument("--rpm", type=int, metavar="N", help="requests in any 60 seconds")
    parser.add_argument("--rpd", type=int, metavar="N", help="requests in a UTC day")
    parser.add_argument("--models", type=_words, default=(), metavar="A,B", help="aliases or ids")
    parser.add_argument("--cidrs", type=_words, default=(), metavar="A,B", help="like 10.1.0.0/16")
    parser.add_argument(
        "--scopes",
        type=_words,
        default=tuple(str(scope) for scope in DEFAULT_SCOPES),
        metavar="A,B",
        help=f"of {', '.join(Scope)}; by default {', '.join(DEFAULT_SCOPES)}",
    )
    parser.add_argument(
        "--expires-at", metavar="TIME", help="like 2030-01-31T12:00:00Z; never by default"
    )


def create(command: GenieCommand, options: dict[str, Any]) -> None:
    """Make a key and print it, this once; or say with ``dry_run`` what would be made.

    Raises:
        NotFound, InvalidRequest: An option names nothing, or is out of bounds.
    """
    organization = services.existing_organization(options["org"])
    new, now = _new_key(organization, options), timezone.now()
    if options.get("dry_run"):
        wanted = limits.checked(new, now=now)
        command.emit(
            {"dryRun": True, "name": wanted.name, "scopes": [str(one) for one in wanted.scopes]},
            f"Would make the key {wanted.name!r} of {organization.slug} with the scopes"
            f" {', '.join(wanted.scopes)}.",
        )
        return
    key = services.create_key(organization.id, new, by=None, now=now)
    command.emit(
        serializers.minted(key.row, key.full_key),
        f"{key.full_key}\nKeep it: it is not shown again. Its id, for revoke_key, is {key.row.id}.",
    )


def show_all(command: GenieCommand, options: dict[str, Any]) -> None:
    """Print an organisation's keys, newest first; with ``live`` only those that are accepted."""
    organization = services.existing_organization(options["org"])
    found = selectors.api_keys(organization.id, limit=MOST)
    if options.get("live"):
        now = timezone.now()
        found = [row for row in found if _state(row, now) == "live"]
    command.emit(
        [serializers.api_key(row) for row in found],
        "\n".join(map(_line, found)) or f"{organization.slug} has no keys.",
    )


def show(command: GenieCommand, key_id: str) -> None:
    """Print one key, without its secret; raises NotFound."""
    row = existing(key_id)
    shown = {
        "organization": row.organization.slug,
        "state": _state(row, timezone.now()),
        **serializers.api_key(row),
    }
    command.emit(shown, "\n".join(f"{name}: {_text(value)}" for name, value in shown.items()))


def revoke(command: GenieCommand, key_id: str, *, dry_run: bool = False) -> None:
    """End a key; raises NotFound."""
    row = existing(key_id)
    name = f"{row.name!r} of {row.organization.slug}"
    if dry_run:
        command.emit(
            {"dryRun": True, "keyId": str(row.id), "state": _state(row, timezone.now())},
            f"Would revoke the key {name}, which is {_state(row, timezone.now())}.",
        )
        return
    was_live = services.revoke_key(row.organization_id, row.id)
    row.refresh_from_db()
    said = (
        "is revoked"
        if was_live
        else f"was already revoked at {row.revoked_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    command.emit(
        {"keyId": str(row.id), "revoked": was_live, "revokedAt": row.revoked_at},
        f"The key {name} {said}.",
    )


def existing(key_id: str) -> ApiKey:
    """Return any organisation's key; raises NotFound."""
    row = selectors.api_key(key_id)
    if row is None:
        raise errors.NotFound("No key has this id; see list_keys for the ids of an organization.")
    return row


def _state(row: ApiKey, now: dt.datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "live"


def _line(row: ApiKey) -> str:
    return f"{row.id}  {_state(row, timezone.now()):7}  {row.name}"


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)


def _new_key(organization: Organization, options: dict[str, Any]) -> limits.NewKey:
    application, member = options["application"], options["member"]
    return limits.NewKey(
        name=options["name"],
        application_id=services.existing_application(organization, application).id
        if application is not None
        else None,
        holder_user_id=services.existing_member(organization, member).user_id
        if member is not None
        else None,
        rpm=options["rpm"],
        rpd=options["rpd"],
        allowed_models=options["models"],
        allowed_cidrs=options["cidrs"],
        scopes=options["scopes"],
        expires_at=_moment(options["expires_at"]),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _moment(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise errors.InvalidRequest.of(
            "expiresAt",
            f"{text[:64]!r} is no time with its offset; write one like 2030-01-31T12:00:00Z.",
        )
    return moment
