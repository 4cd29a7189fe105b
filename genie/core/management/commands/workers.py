"""Run the workers of a topology on this machine, supervised."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from genie.core.commands import SentenceCommand
from genie.standalone import workers
from genie.standalone.console import Console
from genie.standalone.errors import StandaloneError


class Command(SentenceCommand):
    """``workers [--topology FILE]``."""

    help = "Run one Celery worker per topology entry until SIGTERM or Ctrl-C, then drain them."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django reads it by name

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--topology", type=Path, help="default: one worker for each GPU, or one for the CPU"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        base_dir = Path(settings.BASE_DIR)
        try:
            workers.serve(
                base_dir=base_dir,
                topology_file=options["topology"],
                models_file=settings.GENIE_MODELS_FILE,
                env=dict(os.environ),
                console=Console(),
            )
        except StandaloneError as error:
            sys.exit(str(error))  # the sentence alone, without a class name before it
