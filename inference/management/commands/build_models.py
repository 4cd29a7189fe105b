"""`manage.py build_models`: builds the tiny checkpoints, or checks those that are there."""

import argparse
import importlib
import os
from typing import Any

from django.core.management.base import CommandError, CommandParser

from genie.core.commands import SentenceCommand

# By name, so that no import path leads from Django to torch.
_BUILDER = "inference.backends.tiny.build"


class Command(SentenceCommand):
    """Builds the tiny checkpoints."""

    help = "Build the tiny checkpoints, or check them with --check."
    requires_system_checks: list[str] = []  # noqa: RUF012 - a build needs no database

    def add_arguments(self, parser: CommandParser) -> None:
        _builder().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if _builder().run(argparse.Namespace(**options)):
            raise CommandError("A checkpoint fell short; the table above says where.")


def _builder() -> Any:
    # OpenMP's threads otherwise spin while they wait for each other, which on a busy machine takes
    # five times as long. It is read once, when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return importlib.import_module(_BUILDER)
