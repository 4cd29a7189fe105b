"""Stop the system that `up` runs on a state directory."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from genie.core.commands import SentenceCommand
from genie.standalone import state, up
from genie.standalone.console import Console
from genie.standalone.errors import StandaloneError


class Command(SentenceCommand):
    """``down [--state-dir PATH]``."""

    help = "Stop the running system in order and wait until it has gone."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django reads it by name

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--state-dir", type=Path, help="the state directory given to up")

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["state_dir"] or state.find_state(Path(settings.BASE_DIR))
        try:
            up.stop(path.absolute(), Console())
        except StandaloneError as error:
            sys.exit(str(error))  # the sentence alone, without a class name before it
