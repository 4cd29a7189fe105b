"""Run the whole system on this machine, in the foreground."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from genie.core.commands import SentenceCommand
from genie.standalone import state, up
from genie.standalone.console import Console
from genie.standalone.errors import StandaloneError
from genie.standalone.system import Options


class Command(SentenceCommand):
    """``up [--host H] [--port N] [--state-dir PATH] [--topology FILE]``."""

    help = "Run PostgreSQL, Redis, web, workers and monitoring on this machine until Ctrl-C."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django reads it by name

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on")
        parser.add_argument("--state-dir", type=Path, help="where data, secrets and logs are kept")
        parser.add_argument(
            "--topology",
            type=Path,
            help="which workers to run; default: one for each GPU, or one for the CPU",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        base_dir = Path(settings.BASE_DIR)
        chosen = Options(
            base_dir=base_dir,
            state_dir=(options["state_dir"] or state.find_state(base_dir)).absolute(),
            host=options["host"],
            port=options["port"],
            topology=options["topology"],
            environ=state.without_state(os.environ),
        )
        try:
            up.serve(chosen, Console())
        except StandaloneError as error:
            sys.exit(str(error))  # the sentence alone, without a class name before it
