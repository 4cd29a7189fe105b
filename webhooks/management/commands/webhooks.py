"""``webhooks VERB``: endpoints and the notification log from a terminal, and events for a developer's."""

import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from genie.core.commands import GenieCommand
from genie.core.errors import NotFound
from genie.tenants.services import existing_organization
from webhooks import delivery, endpoints, resending, selectors
from webhooks.management import finding, showing
from webhooks.management.listening_verb import listen
from webhooks.models import Endpoint, State
from webhooks.naming import Place
from webhooks.selectors import LogFilter


class Command(GenieCommand):
    """Shows endpoints and deliveries, sends again, switches endpoints, and forwards events."""

    help = (
        "List endpoints and webhook deliveries, show one, send one or everything missed once more,"
        " enable or disable an endpoint, or forward events to a developer's machine."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="the newest deliveries, or the endpoints")
        listing.add_argument("--endpoints", action="store_true", help="endpoints with their health")
        listing.add_argument("--endpoint", metavar="ENDPOINT", help="only deliveries to this one")
        listing.add_argument("--state", choices=State.values, help="only deliveries in this state")
        listing.add_argument("--limit", type=int, default=20, help="at most so many (default 20)")
        show = verbs.add_parser("show", help="a delivery with its attempts, or an endpoint")
        show.add_argument("what", help="the X-Genie-Delivery id, or an endpoint's id or name")
        test = verbs.add_parser("test", help="send an endpoint a webhook.test now")
        again = verbs.add_parser("redeliver", help="send an ended delivery once more")
        again.add_argument("delivery", type=uuid.UUID, help="the X-Genie-Delivery id")
        replay = verbs.add_parser("replay", help="send an endpoint what it has missed")
        replay.add_argument(
            "--since", default="1d", help="a time, or like 30m, 12h, 5d (default 1d)"
        )
        enable = verbs.add_parser("enable", help="let deliveries go out to an endpoint again")
        disable = verbs.add_parser("disable", help="send nothing more to an endpoint")
        forward = verbs.add_parser("listen", help="post events, signed, to a developer's machine")
        _add_listen_arguments(forward)
        for verb in (test, replay, enable, disable):
            verb.add_argument("endpoint", help="its id (wh_...) or name")
        for verb in (test, again, replay, enable, disable):
            verb.add_argument("--dry-run", action="store_true", help="say what would be done")
        for verb in (listing, show, test, replay, enable, disable, forward):
            verb.add_argument("--org", metavar="SLUG", help="of this organization, by slug or id")
        for verb in (listing, show, test, again, replay, enable, disable, forward):
            self.add_json_argument(verb)

    def handle(self, *args: Any, **options: Any) -> None:
        org = options.get("org")
        options["organization_id"] = existing_organization(org).id if org else None
        match options["verb"]:
            case "list":
                self._list_endpoints(options) if options["endpoints"] else self._list(options)
            case "show":
                self._show(options)
            case "test":
                self._test(options)
            case "redeliver":
                self._redeliver(options["delivery"], dry_run=options["dry_run"])
            case "replay":
                self._replay(options)
            case "enable" | "disable":
                self._switch(options, enabled=options["verb"] == "enable")
            case "listen":
                listen(self, options)

    def _list(self, options: dict[str, Any]) -> None:
        limit = max(1, options["limit"])
        if options["endpoint"]:
            wanted = LogFilter(state=options["state"], limit=limit)
            found = selectors.deliveries_to(self._endpoint(options).id, wanted)
        else:
            found = list(
                selectors.deliveries(
                    organization_id=options["organization_id"], state=options["state"], limit=limit
                )
            )
        lines = [showing.delivery_line(one) for one in found]
        self.emit(
            [showing.delivery(one) for one in found],
            "\n".join(lines) or "There are no deliveries.",
        )

    def _list_endpoints(self, options: dict[str, Any]) -> None:
        found = selectors.endpoints(options["organization_id"], limit=max(1, options["limit"]))
        lines = [showing.endpoint_line(one) for one in found]
        self.emit(
            [showing.endpoint(one) for one in found], "\n".join(lines) or "There are no endpoints."
        )

    def _show(self, options: dict[str, Any]) -> None:
        delivery_id = finding.delivery_id(options["what"])
        found = delivery_id and selectors.delivery(
            delivery_id, organization_id=options["organization_id"]
        )
        if not found:
            shown = showing.endpoint(_endpoint_shown(options))
        else:
            shown = showing.delivery(found) | {
                "body": bytes(found.event.body).decode("utf-8", "replace"),
                "log": [showing.attempt(one) for one in selectors.attempts(found.id)],
            }
        self.emit(shown, lambda: self._print(shown))

    def _print(self, shown: dict[str, Any]) -> None:
        for name, value in shown.items():
            if name != "log":
                self.stdout.write(f"{name}: {'-' if value is None else value}")
        for line in shown.get("log", ()):
            self.stdout.write(showing.attempt_line(line))

    def _test(self, options: dict[str, Any]) -> None:
        endpoint = self._endpoint(options)
        if options["dry_run"]:
            self.emit(
                {"dryRun": True, "url": endpoint.url},
                f"A webhook.test would be sent to {endpoint.url or 'nobody: it has no URL'}.",
            )
            return
        answered = delivery.send_test(endpoint, now=timezone.now()).answered
        self.emit(
            {"delivered": answered.ok, "status": answered.status, "error": answered.error_class},
            f"Endpoint {endpoint.name!r} answered {answered.status}." if answered.ok else None,
        )
        if not answered.ok:
            raise CommandError(f"Endpoint {endpoint.name!r} did not take it: {answered.reason}.")

    def _redeliver(self, delivery_id: uuid.UUID, *, dry_run: bool) -> None:
        if not dry_run:
            again = resending.redeliver(delivery_id)
            self.emit({"id": str(again)}, f"Delivery {again} sends the same bytes once more.")
            return
        found = selectors.delivery(delivery_id, organization_id=None)
        if found is None:
            raise NotFound(f"There is no delivery {delivery_id}.")
        resending.require_repeatable(found)
        self.emit(
            {"dryRun": True, "url": found.url},
            f"Delivery {delivery_id} would be sent to {found.url} once more.",
        )

    def _replay(self, options: dict[str, Any]) -> None:
        endpoint, dry_run = self._endpoint(options), options["dry_run"]
        since = finding.moment(options["since"], now=timezone.now())
        missed = sent = 0
        place: Place | None = None
        while True:
            done = resending.replay(endpoint, since=since, after=place, dry_run=dry_run)
            missed, sent, place = missed + done.missed, sent + len(done.delivery_ids), done.next
            if place is None:
                break
        verb = "would be sent" if dry_run else "are sent"
        self.emit(
            {"dryRun": dry_run, "since": since.isoformat(), "missed": missed, "sent": sent},
            f"{missed if dry_run else sent} events {verb} to {endpoint.name!r} once more.",
        )

    def _switch(self, options: dict[str, Any], *, enabled: bool) -> None:
        endpoint = self._endpoint(options)
        word = "enabled" if enabled else "disabled"
        if options["dry_run"]:
            self.emit(
                {"dryRun": True} | showing.endpoint(endpoint),
                f"Endpoint {endpoint.name!r} would be {word}; it is {showing.health(endpoint)} now.",
            )
            return
        changed = endpoints.set_enabled(endpoint.id, enabled=enabled, organization_id=None)
        self.emit(showing.endpoint(changed), f"Endpoint {changed.name!r} is {word}.")

    def _endpoint(self, options: dict[str, Any]) -> Endpoint:
        return finding.endpoint(options["endpoint"], options["organization_id"])


def _endpoint_shown(options: dict[str, Any]) -> Endpoint:
    what = options["what"]
    try:
        return finding.endpoint(what, options["organization_id"])
    except NotFound:
        raise NotFound(f"There is no delivery and no endpoint {what[:64]!r}.") from None


def _add_listen_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--forward", required=True, metavar="URL", help="where to post them")
    parser.add_argument("--endpoint", help="what this one subscribes to, signed with its secret")
    parser.add_argument("--secret", help="signs them; without an endpoint one is made and printed")
    parser.add_argument("--since", help="begin with a time, or like 30m, 12h, 5d (default: now)")
    parser.add_argument("--after", metavar="CURSOR", help="go on where an earlier run stopped")
    parser.add_argument("--limit", type=int, help="stop after so many (default: at Ctrl-C)")
