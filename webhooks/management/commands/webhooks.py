"""``webhooks list|show|redeliver``: the notification log from a terminal."""

import uuid
from argparse import ArgumentParser
from typing import Any

from genie.core.commands import GenieCommand
from genie.core.errors import NotFound
from webhooks import resending, selectors
from webhooks.models import Attempt, Delivery, State


class Command(GenieCommand):
    """Shows deliveries with their attempts, and sends an ended one once more."""

    help = "List webhook deliveries, show one with its attempts, or send an ended one once more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="the newest deliveries")
        listing.add_argument("--state", choices=State.values, help="only those in this state")
        listing.add_argument(
            "--org", type=uuid.UUID, metavar="ID", help="only this organisation's, by UUID"
        )
        listing.add_argument("--limit", type=int, default=20, help="at most so many (default 20)")
        show = verbs.add_parser("show", help="one delivery, its bytes and its attempts")
        again = verbs.add_parser("redeliver", help="send an ended, unsigned delivery once more")
        for named in (show, again):
            named.add_argument("delivery", type=uuid.UUID, help="the X-Genie-Delivery id")
        for verb in (listing, show, again):
            self.add_json_argument(verb)

    def handle(self, *args: Any, **options: Any) -> None:
        match options["verb"]:
            case "list":
                self._list(options)
            case "show":
                self._show(options["delivery"])
            case "redeliver":
                self._redeliver(options["delivery"])

    def _list(self, options: dict[str, Any]) -> None:
        found = selectors.deliveries(
            organization_id=options["org"], state=options["state"], limit=max(1, options["limit"])
        )
        lines = [
            f"{one.id}  {one.state:<9}  {one.attempts}x  {one.event.type:<14}  {one.url}  {one.reason or ''}".rstrip()
            for one in found
        ]
        self.emit([_delivery(one) for one in found], "\n".join(lines) or "There are no deliveries.")

    def _show(self, delivery_id: uuid.UUID) -> None:
        found = selectors.delivery(delivery_id, organization_id=None)
        if found is None:
            raise NotFound(f"There is no delivery {delivery_id}.")
        shown = _delivery(found) | {
            "body": bytes(found.event.body).decode("utf-8", "replace"),
            "log": [_attempt(one) for one in selectors.attempts(delivery_id)],
        }
        self.emit(shown, lambda: self._print(shown))

    def _print(self, shown: dict[str, Any]) -> None:
        for name, value in shown.items():
            if name != "log":
                self.stdout.write(f"{name}: {'-' if value is None else value}")
        for line in shown["log"]:
            self.stdout.write(
                f"attempt {line['number']} at {line['startedAt']}: {line['error'] or line['status']}"
                f" after {line['durationMs']} ms"
            )

    def _redeliver(self, delivery_id: uuid.UUID) -> None:
        again = resending.redeliver(delivery_id)
        self.emit({"id": str(again)}, f"Delivery {again} sends the same bytes once more.")


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": str(delivery.id),
        "event": delivery.event.type,
        "reference": str(delivery.event.reference),
        "organizationId": str(delivery.event.organization_id),
        "url": delivery.url,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "reason": delivery.reason,
        "createdAt": delivery.created_at.isoformat(),
        "nextAttemptAt": delivery.next_attempt_at and delivery.next_attempt_at.isoformat(),
        "endedAt": delivery.ended_at and delivery.ended_at.isoformat(),
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "startedAt": attempt.started_at.isoformat(),
        "durationMs": attempt.duration_ms,
        "status": attempt.status,
        "error": attempt.error_class,
        "answer": bytes(attempt.answer).decode("utf-8", "replace"),
    }
