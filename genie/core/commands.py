"""The base of every management command: one-sentence errors and one JSON document on request."""

import json
import logging
import os
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, OperationalError

from genie.core import outages
from genie.core.errors import GenieError


class SentenceCommand(BaseCommand):
    """A command that says in one sentence what is wrong with its arguments."""

    # Django's parser prints its usage before the sentence, unless it takes itself for called by
    # code: then it raises the sentence.
    _called_from_command_line = property(lambda _: False, lambda _self, _value: None)

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the command line; wrong arguments are one sentence on stderr and exit status 2."""
        try:
            super().run_from_argv(argv)
        except CommandError as error:  # of the parser: Django handles those of the command itself
            program = f"{os.path.basename(argv[0])} {argv[1]}"  # noqa: PTH119 - a word, not a path
            sentence = str(error).removeprefix("Error: ")
            sys.stderr.write(f"{program}: {sentence}; see '{program} --help'.\n")
            sys.exit(2)


class GenieCommand(SentenceCommand):
    """A command that prints for people, or one JSON document as its last line with ``--json``."""

    as_json = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Add ``--json`` to whatever the command itself takes."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        self.add_json_argument(parser)
        return parser

    def add_json_argument(self, parser: ArgumentParser) -> None:
        """Add ``--json``; a command with sub-commands adds it to each of them."""
        parser.add_argument(
            "--json",
            action="store_true",
            dest="as_json",
            default=SUPPRESS,  # the default of a sub-command would undo what its command was given
            help="print one JSON document on the last line",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; a refusal becomes one sentence on stderr and exit status 1."""
        self.as_json = bool(options.get("as_json"))
        # It warns of each attempt to connect; the sentence below says it once.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        try:
            return super().execute(*args, **options)
        except GenieError as error:
            raise CommandError(error.message) from error
        except DatabaseError as error:
            if outages.only_reads(error):
                raise CommandError(
                    "The database only reads, so nothing was done. Is DATABASE_URL's server a standby?"
                    " `manage.py doctor --only database` says more."
                ) from error
            if not isinstance(error, OperationalError):
                raise
            raise CommandError(
                f"The database does not answer ({str(error).strip().splitlines()[0]}). "
                "Is the system running? Start it with 'make up', or set DATABASE_URL."
            ) from error

    def emit(
        self,
        payload: Mapping[str, Any] | Sequence[Any],
        human: str | Callable[[], str | None] | None = None,
    ) -> None:
        """Print ``payload`` as JSON, or ``human`` (a sentence, or a function that prints or returns one)."""
        if self.as_json:
            self.stdout.write(json.dumps(payload, default=str))
            return
        said = human() if callable(human) else human
        if said is not None:
            self.stdout.write(said)
