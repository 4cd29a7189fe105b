"""The base of the commands: one JSON document, one sentence, exit status 1."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import CommandParser
from django.db import OperationalError

from genie.core.commands import GenieCommand
from genie.core.errors import NotFound


class Says(GenieCommand):
    """Emits whatever a test gives it."""

    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's attribute
    human: Any = "For people."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("progress")
        self.emit({"a": 1}, self.human)


class Verbs(Says):
    """The same, behind a verb."""

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        self.add_json_argument(verbs.add_parser("do"))


class Fails(GenieCommand):
    """Raises whatever a test gives it."""

    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's attribute

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def handle(self, *args: Any, **options: Any) -> None:
        raise self._error


def run(command: GenieCommand, *words: str) -> str:
    out = io.StringIO()
    call_command(command, *words, stdout=out)
    return out.getvalue()


class TestEmit:
    def test_prints_for_people(self) -> None:
        assert run(Says()) == "progress\nFor people.\n"

    def test_prints_one_json_document_on_the_last_line(self) -> None:
        assert json.loads(run(Says(), "--json").splitlines()[-1]) == {"a": 1}

    @pytest.mark.parametrize("words", [["--json", "do"], ["do", "--json"]])
    def test_json_may_come_before_the_verb_and_after_it(self, words: list[str]) -> None:
        assert json.loads(run(Verbs(), *words).splitlines()[-1]) == {"a": 1}

    def test_may_print_by_itself(self) -> None:
        command = Says()
        command.human = lambda: command.stdout.write("A table.") and None

        assert run(command) == "progress\nA table.\n"


class TestArguments:
    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--json=yes"], "argument --json: ignored explicit argument 'yes'"),
            (["more"], "unrecognized arguments: more"),
        ],
    )
    def test_that_are_wrong_are_one_sentence(
        self, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            Says().run_from_argv(["/srv/manage.py", "says", *words])

        assert ended.value.code == 2
        assert (
            capsys.readouterr().err == f"manage.py says: {sentence}; see 'manage.py says --help'.\n"
        )


class TestErrors:
    def test_a_refusal_is_one_sentence(self) -> None:
        with pytest.raises(CommandError, match=r"^There is nothing here\.$") as caught:
            run(Fails(NotFound("There is nothing here.")))

        assert caught.value.returncode == 1

    def test_a_database_that_is_away_says_what_to_do(self) -> None:
        with pytest.raises(CommandError, match="make up"):
            run(Fails(OperationalError("connection refused\nmore detail")))
