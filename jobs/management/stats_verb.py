"""``jobs stats``: how many jobs of late, by state, queue and model, and how long they waited and ran."""

import datetime as dt
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from budgets import money
from genie.core import ages, errors, terminal
from genie.core.commands import GenieCommand
from genie.tenants import services as tenants
from jobs import tallies
from jobs.tallies import Quantiles, Span, Tallies, Tally

_COLUMNS = ("", "jobs", "wait p50", "wait p95", "run p50", "run p95", "tokens in", "out", "credits")


def add_arguments(parser: ArgumentParser) -> None:
    """Add what ``jobs stats`` takes."""
    parser.add_argument(
        "--since",
        default="24h",
        metavar="AGE",
        help="jobs submitted within this time, like 30m, 12h, 7d (default 24h)",
    )
    parser.add_argument("--org", metavar="SLUG", help="only this organization's")
    parser.add_argument("--queue", metavar="QUEUE", help="only jobs of this queue")
    parser.add_argument("--model", metavar="ID", help="only jobs of this model")
    parser.add_argument(
        "--most",
        type=int,
        default=tallies.MOST,
        metavar="N",
        help=f"look at the newest N at most (default and most {tallies.MOST})",
    )


def stats(command: GenieCommand, options: dict[str, Any]) -> None:
    """Print the tallies of a span.

    Raises:
        InvalidRequest, NotFound: An option is none, or names nothing.
    """
    if not 1 <= options["most"] <= tallies.MOST:
        raise errors.InvalidRequest(
            f"--most {options['most']}: write a number from 1 to {tallies.MOST}."
        )
    org, age = options["org"], dt.timedelta(seconds=ages.seconds(options["since"]))
    found = tallies.count(
        Span(
            since=timezone.now() - age,
            organization_id=None if org is None else tenants.existing_organization(org).id,
            limit=options["most"],
            queue=options["queue"],
            model=options["model"],
        )
    )
    command.emit(_shown(found, options["since"]), lambda: _print(command, found))


def _print(command: GenieCommand, found: Tallies) -> None:
    console = terminal.console(command)
    for title, ones in (
        ("state", found.by_state),
        ("queue", found.by_queue),
        ("model", found.by_model),
        ("error", found.by_code),
    ):
        if ones:
            columns = (title, *_COLUMNS[1:])
            console.print(terminal.table(columns, [_row(one) for one in ones]))
            console.print()
    if not found.is_whole:
        console.print("Only the newest jobs of the span were looked at; see --most.")
    console.print(f"{found.total.jobs} jobs.")


def _row(one: Tally) -> Sequence[str]:
    return [
        one.name,
        str(one.jobs),
        *_times(one.wait),
        *_times(one.run),
        str(one.prompt_tokens),
        str(one.completion_tokens),
        money.to_text(one.cost_microcredits),
    ]


def _times(found: Quantiles | None) -> tuple[str, str]:
    return ("-", "-") if found is None else (f"{found.p50_s:.2f} s", f"{found.p95_s:.2f} s")


def _shown(found: Tallies, since: str) -> dict[str, Any]:
    return {
        "since": since,
        "whole": found.is_whole,
        "total": _tally(found.total),
        "byState": {one.name: _tally(one) for one in found.by_state},
        "byQueue": {one.name: _tally(one) for one in found.by_queue},
        "byModel": {one.name: _tally(one) for one in found.by_model},
        "byError": {one.name: one.jobs for one in found.by_code},
    }


def _tally(one: Tally) -> dict[str, Any]:
    return {
        "jobs": one.jobs,
        "waitSeconds": _quantiles(one.wait),
        "runSeconds": _quantiles(one.run),
        "promptTokens": one.prompt_tokens,
        "completionTokens": one.completion_tokens,
        "cost": money.to_wire(one.cost_microcredits),
    }


def _quantiles(found: Quantiles | None) -> dict[str, float] | None:
    return None if found is None else {"p50": round(found.p50_s, 3), "p95": round(found.p95_s, 3)}
