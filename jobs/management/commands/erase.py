"""Erase what an organisation, or one of its members, has asked and been answered."""

from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandParser

from genie.core import errors, terminal
from genie.core.commands import GenieCommand
from genie.tenants import erasing as tenants_erasing
from genie.tenants import selectors as tenants
from genie.tenants.models import Organization
from jobs import erasing, files, operations, retention
from jobs.retention import Scope
from webhooks import endpoints
from webhooks import selectors as webhooks

_BATCH = 1000
_REASON = "Erased by the operator."


class Command(GenieCommand):
    """``erase --org SLUG [--member USERNAME] [--older-than DAYS] [--dry-run]``."""

    help = (
        "Erase what jobs of an organization or a member were asked and answered, with their files and"
        " webhooks. Without --older-than also cancel what runs, end keys and take names away. Usage,"
        " costs and the ledger stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--org", required=True, metavar="SLUG", help="whose content")
        parser.add_argument("--member", metavar="USERNAME", help="of this member alone")
        parser.add_argument("--older-than", type=int, metavar="DAYS", help="only what ended before")
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = tenants.organization(options["org"])
        if organization is None:
            raise errors.NotFound(f"There is no organization {options['org']!r}.")
        scope = _scope(organization, options["member"], options["older_than"])
        found = retention.content(scope)
        everything = options["older_than"] is None
        done = {
            "dryRun": options["dry_run"],
            "endedJobs": found.ended_jobs,
            "openJobs": found.open_jobs if everything else 0,
            "files": found.files,
            "keys": 0,
        }
        if not options["dry_run"]:
            with terminal.progress("erasing", total=found.ended_jobs) as show:
                if everything:
                    done["keys"] = _close(scope)
                _erase(scope, show)
        verb = "Would erase" if options["dry_run"] else "Erased"
        self.emit(
            done,
            f"{verb} the content of {done['endedJobs']} ended and {done['openJobs']} open jobs and"
            f" {done['files']} files of {organization.slug}; {done['keys']} keys ended.",
        )


def _scope(organization: Organization, username: str | None, days: int | None) -> Scope:
    user_id = None
    if username is not None:
        member = tenants.member(organization.id, username)
        if member is None:
            raise errors.NotFound(f"{organization.slug} has no member {username!r}.")
        user_id = member.user_id
    age_s = (days or 0) * retention.DAY_S
    return Scope(organization_id=organization.id, user_id=user_id, age_s=age_s)


def _close(scope: Scope) -> int:
    """End what could make more: keys, jobs, endpoints; return how many keys."""
    if scope.user_id is not None:
        keys = tenants_erasing.close_member(scope.organization_id, scope.user_id)
    else:
        keys = tenants_erasing.close_organization(scope.organization_id)
        for one in webhooks.endpoints(scope.organization_id, limit=endpoints.MAX_PER_ORGANIZATION):
            endpoints.delete(scope.organization_id, one.id)
    for job_id in retention.open_jobs(scope):
        operations.delete(job_id, organization_id=scope.organization_id)
    return keys


def _erase(scope: Scope, show: Callable[[int], None]) -> None:
    while retention.expire(scope, limit=_BATCH) == _BATCH:
        pass
    emptied = 0
    while found := erasing.erase_expired(limit=_BATCH):
        emptied += found
        show(emptied)
    while files.remove_unneeded() == files.BATCH:
        pass
