"""``loadtest``: a bounded closed loop of chats against a running system, with live figures."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from rich.table import Table

from genie.core import errors, terminal
from genie.core.commands import GenieCommand
from genie.exercises import calls, load
from genie.exercises.figures import Snapshot
from genie.exercises.load import Plan


class Command(GenieCommand):
    """``loadtest --url URL [--clients N] [--seconds S] [--mode sync|stream|async] ...``."""

    help = (
        "Let N clients send chats to a running system for S seconds, each its next one when the last"
        " was answered, and show rate, latencies, statuses and errors. Costs what its jobs cost;"
        " runs only against the address that is given."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 - it measures another process

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--url", required=True, help="the system's base address, like http://127.0.0.1:8000"
        )
        parser.add_argument(
            "--key", help="an API key; better in the variable GENIE_API_KEY, where no list shows it"
        )
        parser.add_argument(
            "--clients", type=int, default=8, metavar="N", help="at once (default 8, most 256)"
        )
        parser.add_argument(
            "--seconds", type=float, default=30, metavar="S", help="default 30, most 3600"
        )
        parser.add_argument(
            "--mode",
            choices=["sync", "stream", "async"],
            default="sync",
            help="how each is answered (default sync); an async answer does not wait for its job",
        )
        parser.add_argument("--model", default="lite", help="id or alias (default lite)")
        parser.add_argument("--prompt", default="Say something short.", help="of every chat")
        parser.add_argument(
            "--max-tokens", type=int, default=32, metavar="N", help="of every answer (default 32)"
        )
        parser.add_argument("--dry-run", action="store_true", help="show the plan, send nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        plan = _plan(options)
        if options["dry_run"]:
            self.emit(
                {"dryRun": True, "url": plan.target.shown, **_shown_plan(plan)},
                f"Would let {plan.clients} clients send {plan.mode} chats of {plan.model} to"
                f" {plan.target.shown} for {plan.seconds:g} s.",
            )
            return
        with terminal.live(self) as show:
            found = load.run(plan, tell=lambda now: show(_table(now)))
        self.emit(
            {"url": plan.target.shown, **_shown_plan(plan), **_shown(found)},
            lambda: terminal.console(self).print(_table(found)),
        )
        if not found.succeeded:
            raise CommandError(
                f"No request succeeded; is {plan.target.shown} up, and may the key use {plan.model}?"
            )


def _plan(options: dict[str, Any]) -> Plan:
    if not 1 <= options["clients"] <= load.MOST_CLIENTS:
        raise errors.InvalidRequest(
            f"--clients {options['clients']}: write a number from 1 to {load.MOST_CLIENTS}."
        )
    if not 0 < options["seconds"] <= load.MOST_SECONDS:
        raise errors.InvalidRequest(
            f"--seconds {options['seconds']:g}: write a number above 0 and up to"
            f" {load.MOST_SECONDS:.0f}."
        )
    return Plan(
        target=calls.target(options["url"], key=calls.key(options["key"])),
        clients=options["clients"],
        seconds=options["seconds"],
        mode=options["mode"],
        model=options["model"],
        prompt=options["prompt"],
        max_tokens=options["max_tokens"],
    )


def _table(found: Snapshot) -> Table:
    rows = [
        ["answers", f"{found.answered} in {found.seconds:.1f} s, {found.per_second:.1f} a second"],
        ["p50", _time(found.p50_s)],
        ["p95", _time(found.p95_s)],
        ["p99", _time(found.p99_s)],
        *([["first event p50", _time(found.first_p50_s)]] if found.first_p50_s else []),
        *[[f"HTTP {status}", str(count)] for status, count in found.statuses.items()],
        *[[what, str(count)] for what, count in found.failures.items()],
    ]
    return terminal.table(("measure", "value"), rows)


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.1f} ms"


def _shown_plan(plan: Plan) -> dict[str, Any]:
    return {
        "clients": plan.clients,
        "mode": plan.mode,
        "model": plan.model,
        "maxTokens": plan.max_tokens,
        "plannedSeconds": plan.seconds,
    }


def _shown(found: Snapshot) -> dict[str, Any]:
    return {
        "seconds": round(found.seconds, 3),
        "answered": found.answered,
        "succeeded": found.succeeded,
        "perSecond": round(found.per_second, 2),
        "p50Ms": _milliseconds(found.p50_s),
        "p95Ms": _milliseconds(found.p95_s),
        "p99Ms": _milliseconds(found.p99_s),
        "firstEventP50Ms": _milliseconds(found.first_p50_s),
        "statuses": {str(status): count for status, count in found.statuses.items()},
        "failures": found.failures,
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 2)
