"""``webhook_keys list|new``: the Ed25519 keys that sign webhooks beside the secrets."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from genie.core.commands import GenieCommand
from genie.core.errors import InvalidRequest
from webhooks import signing_keys


class Command(GenieCommand):
    """Shows the public half of each key in the ring, or makes a key; changes nothing."""

    help = "Show the keys of GENIE_WEBHOOK_SIGNING_KEYS by their public halves, or make a new key."
    # A ring that is damaged is what one comes here with; the verbs say what is wrong themselves.
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's attribute

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        self.add_json_argument(verbs.add_parser("list", help="public halves; the first one signs"))
        self.add_json_argument(
            verbs.add_parser("new", help="print a new private key, kept nowhere")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "new":
            key = signing_keys.mint()
            self.emit({"key": key, "kid": signing_keys.parse(key).kid}, key)
        else:
            self._list()

    def _list(self) -> None:
        try:
            ring = signing_keys.ring(settings.GENIE_WEBHOOK_SIGNING_KEYS)
        except signing_keys.NoSigningKey as error:
            raise InvalidRequest(f"GENIE_WEBHOOK_SIGNING_KEYS: {error}") from None
        lines = [
            f"{key.kid}  {key.whpk}  {'published' if place else 'signs'}"
            for place, key in enumerate(ring)
        ]
        self.emit(
            signing_keys.key_set(ring), "\n".join(lines) or "There is no signing key; v1a is off."
        )
