"""See and set what organizations and applications count for in queues."""

import dataclasses
from argparse import ArgumentParser
from typing import Any

from genie.core.commands import GenieCommand
from jobs import weights
from jobs.weights import Weighed


class Command(GenieCommand):
    """``weights list``, ``weights set ORGANIZATION WEIGHT [--application NAME]``."""

    help = (
        "See and set the shares that organizations, and applications within one, get of the queues."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        listing = verbs.add_parser("list", help="those that have been given; all others have 100")
        self.add_json_argument(listing)
        setting = verbs.add_parser("set", help="give one; 100 takes it back")
        setting.add_argument("organization", help="its slug or id")
        setting.add_argument(
            "weight", type=int, help="1 to 10,000; twice the weight, twice the share"
        )
        setting.add_argument("--application", help="the name or id of one of its applications")
        setting.add_argument("--dry-run", action="store_true", help="judge it, and write nothing")
        self.add_json_argument(setting)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "set":
            one = weights.give(
                options["organization"],
                options["application"],
                options["weight"],
                dry_run=options["dry_run"],
            )
            would = {"dryRun": True} if options["dry_run"] else {}
            self.emit(
                would | dataclasses.asdict(one), f"{'Would be ' if would else ''}{_line(one)}"
            )
            return
        given = weights.given()
        lines = [_line(one) for one in given] or ["Everybody has the normal weight, 100."]
        self.emit({"weights": [dataclasses.asdict(one) for one in given]}, "\n".join(lines))


def _line(one: Weighed) -> str:
    who = (
        f"{one.organization}, application {one.application}"
        if one.application
        else one.organization
    )
    return f"{who}: {one.weight}"
