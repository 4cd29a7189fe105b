"""Make an API key and print its secret, once."""

import datetime as dt
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from genie.core import errors
from genie.core.commands import GenieCommand
from genie.tenants import limits, serializers, services
from genie.tenants.models import Organization
from genie.tenants.scopes import DEFAULT_SCOPES, Scope


class Command(GenieCommand):
    """``create_key --org SLUG [--name ...] [--application ...] [--member ...] ...``."""

    help = "Make an API key; the whole key is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--org", required=True, metavar="SLUG")
        parser.add_argument("--name", default="command line", help="what the key is for")
        parser.add_argument("--application", metavar="NAME", help="whose caps it spends on, too")
        parser.add_argument(
            "--member", metavar="USERNAME", help="the holder, whose caps it spends on, too"
        )
        parser.add_argument("--rpm", type=int, metavar="N", help="requests in any 60 seconds")
        parser.add_argument("--rpd", type=int, metavar="N", help="requests in a UTC day")
        parser.add_argument(
            "--models", type=_words, default=(), metavar="A,B", help="aliases or ids"
        )
        parser.add_argument(
            "--cidrs", type=_words, default=(), metavar="A,B", help="like 10.1.0.0/16"
        )
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

    def handle(self, *args: Any, **options: Any) -> None:
        organization = services.existing_organization(options["org"])
        new = _new_key(organization, options)
        key = services.create_key(organization.id, new, by=None, now=timezone.now())
        self.emit(
            serializers.minted(key.row, key.full_key),
            f"{key.full_key}\nKeep it: it is not shown again. Its id, for revoke_key, is {key.row.id}.",
        )


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
