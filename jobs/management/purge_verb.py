"""``jobs purge``: remove what ended jobs were asked and answered, by age and state."""

from argparse import ArgumentParser
from typing import Any

from genie.core import ages, terminal
from genie.core.commands import GenieCommand
from genie.tenants import selectors as tenants_selectors
from genie.tenants import services as tenants
from jobs import purging
from jobs.states import TERMINAL, JobState

MOST_ORGANIZATIONS = 100_000


def add_arguments(parser: ArgumentParser) -> None:
    """Add what ``jobs purge`` takes."""
    parser.add_argument(
        "--older-than",
        required=True,
        metavar="AGE",
        help="only jobs that ended at least so long ago, like 12h or 30d",
    )
    parser.add_argument("--org", metavar="SLUG", help="only this organization's; default: all")
    parser.add_argument(
        "--state",
        action="append",
        choices=sorted(TERMINAL),
        help="only jobs that ended so; repeatable; default: all that have ended",
    )
    parser.add_argument("--dry-run", action="store_true", help="count only, and remove nothing")


def purge(command: GenieCommand, options: dict[str, Any]) -> None:
    """Remove the content of what the options name, or count it.

    Raises:
        InvalidRequest, NotFound: An option is none, or names nothing.
    """
    organizations = (
        [tenants.existing_organization(options["org"])]
        if options["org"] is not None
        else tenants_selectors.organizations(limit=MOST_ORGANIZATIONS)
    )
    scopes = purging.scopes(
        [one.id for one in organizations],
        age_s=ages.seconds(options["older_than"]),
        states=[JobState(state) for state in options["state"] or ()],
    )
    found = purging.count(scopes)
    if options["dry_run"]:
        command.emit(
            {"dryRun": True, "jobs": found},
            f"Would remove what {found} ended jobs were asked and answered.",
        )
        return
    with terminal.progress("removing", total=found) as show:
        purged = purging.purge(scopes, progress=show)
    command.emit(
        {
            "dryRun": False,
            "jobs": purged.expired,
            "emptied": purged.emptied,
            "files": purged.files,
        },
        f"{purged.expired} jobs exist for no caller any more; the content of {purged.emptied} and"
        f" {purged.files} files were removed. Usage, costs and the ledger stay.",
    )
