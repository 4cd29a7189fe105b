"""``queues show|pause|resume|drain``: what waits where, and queues that nothing is to be claimed from."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError

from genie.core import terminal
from genie.core.commands import GenieCommand
from jobs import standing, steering
from jobs.management import queue_lines
from jobs.pauses import Pause
from jobs.standing import Standing

_DRAIN_S = 600.0


class Command(GenieCommand):
    """Shows the queues, and pauses, drains and resumes one."""

    help = (
        "Show what waits in each queue and who serves it; pause a queue so that nothing more is"
        " claimed from it (jobs go on queueing), wait until it has run empty of running jobs, or"
        " resume it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        show = verbs.add_parser(
            "show", help="depth by lane, oldest age, running, parked, workers, pauses, tickets"
        )
        show.add_argument("queue", nargs="?", metavar="QUEUE", help="only this one; default: all")
        pause = verbs.add_parser(
            "pause", help="claim nothing more from a queue; what runs goes on, what comes is queued"
        )
        resume = verbs.add_parser("resume", help="claim from a queue again, and wake its workers")
        drain = verbs.add_parser(
            "drain", help="pause a queue and wait until none of its jobs runs; it stays paused"
        )
        drain.add_argument(
            "--timeout",
            type=float,
            default=_DRAIN_S,
            metavar="S",
            help=f"seconds to wait for running jobs (default {_DRAIN_S:.0f})",
        )
        for verb in (pause, resume, drain):
            verb.add_argument("queue", metavar="QUEUE", help="its name, as `queues show` prints it")
            verb.add_argument(
                "--dry-run", action="store_true", help="say what would be done, and do nothing"
            )
        for verb in (pause, drain):
            verb.add_argument("--reason", default="", help="why, for whoever looks at the queue")
        for verb in (show, pause, resume, drain):
            self.add_json_argument(verb)

    def handle(self, *args: Any, **options: Any) -> None:
        match options["verb"]:
            case "show":
                self._show(options["queue"])
            case verb if options["dry_run"]:
                self._would(verb, steering.existing(options["queue"]))
            case "pause":
                self._pause(options["queue"], options["reason"])
            case "resume":
                self._resume(options["queue"])
            case _:
                self._drain(options)

    def _show(self, name: str | None) -> None:
        wanted = None if name is None else steering.existing(name)
        found = [one for one in standing.queues() if wanted in (None, one.queue)]
        self.emit([queue_lines.shown(one) for one in found], lambda: self._print(found))

    def _print(self, found: Sequence[Standing]) -> None:
        terminal.console(self).print(queue_lines.table(found))
        for sentence in queue_lines.pauses(found):
            self.stdout.write(sentence)

    def _would(self, verb: str, name: str) -> None:
        (one,) = (found for found in standing.queues() if found.queue == name)
        state = "is paused" if one.pause else "is not paused"
        self.emit(
            {"dryRun": True, "verb": verb, "queue": queue_lines.shown(one)},
            f"Would {verb} {name}, which {state}; {one.queued} jobs wait and {one.running} run.",
        )

    def _pause(self, name: str, reason: str) -> None:
        paused = steering.pause(name, reason=reason, by=terminal.operator())
        running = standing.running(name)
        self.emit(
            queue_lines.shown_pause(paused) | {"queue": name, "running": running},
            f"{name} is paused {_since(paused)}; {running} of its jobs run on, what comes is queued.",
        )

    def _resume(self, name: str) -> None:
        resumed = steering.resume(name)
        ticket = "a ticket was sent" if resumed.ticket_sent else "the sweep will send a ticket"
        said = f"{name} is resumed; {resumed.queued} jobs wait"
        self.emit(
            {
                "queue": name,
                "wasPaused": resumed.was_paused,
                "queued": resumed.queued,
                "ticketSent": resumed.ticket_sent,
            },
            f"{name} was not paused; nothing has changed."
            if not resumed.was_paused
            else f"{said}, {ticket}."
            if resumed.queued
            else f"{said}.",
        )

    def _drain(self, options: dict[str, Any]) -> None:
        name = options["queue"]
        try:
            with terminal.progress(f"{name} is paused; still running") as show:
                drained = steering.drain(
                    name,
                    reason=options["reason"],
                    by=terminal.operator(),
                    timeout_s=options["timeout"],
                    progress=show,
                )
        except KeyboardInterrupt:
            raise CommandError(
                f"Not waited for; if it was paused, {name} is paused still."
            ) from None
        self.emit(
            queue_lines.shown_pause(drained.pause) | {"queue": name, "running": drained.running},
            None if drained.running else f"{name} is paused, and none of its jobs runs.",
        )
        if drained.running:
            raise CommandError(
                f"{drained.running} jobs of {name} still run after {options['timeout']:g} s; it stays"
                " paused. Wait longer with another `queues drain`, or cancel them."
            )


def _since(paused: Pause) -> str:
    return f"since {paused.since:%Y-%m-%d %H:%M:%S} UTC"
