"""The page of management commands, made of their parsers."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from tests.reference import markdown

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("genie", "jobs", "budgets", "webhooks", "inference")
# Its parser loads torch, which takes longer than everything else here; docs/tiny-models.md has it.
HEAVY = frozenset({"build_models"})
# Options that Django gives every command.
_DJANGO = frozenset(
    {
        *("help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color"),
        *("force_color", "skip_checks"),
    }
)
_PROGRAM = "manage.py"


def names() -> list[str]:
    """Return the names of our commands, sorted."""
    return sorted(
        name for name, app in get_commands().items() if _is_ours(app) and name not in HEAVY
    )


def _is_ours(app: str) -> bool:
    return app.split(".", maxsplit=1)[0] in PACKAGES


def command(name: str) -> BaseCommand:
    """Return a command by its name."""
    return load_command_class(get_commands()[name], name)


def parser(name: str) -> argparse.ArgumentParser:
    """Return what reads the arguments of a command."""
    made: argparse.ArgumentParser = command(name).create_parser(_PROGRAM, name)
    return made


def page() -> str:
    """Return the page."""
    return markdown.page(
        "Commands",
        "Run as `.venv/bin/python manage.py COMMAND`, in a second terminal beside `make up` too: it "
        "finds the running system by its state directory. `--json` prints one JSON document on the "
        "last line. Wrong arguments are one sentence and exit status 2, refusals one sentence and "
        "exit status 1. `build_models` is for [the tiny models](../tiny-models.md). Django's own options (`--settings`, `--traceback`, ...) are not repeated here.",
        *(_section(name) for name in names()),
    )


def _section(name: str) -> str:
    return section(name, parser(name))


def section(name: str, made: argparse.ArgumentParser) -> str:
    """Return what a command takes, and each of its sub-commands."""
    parts = [f"## {name}", markdown.sentence(made.description or ""), *_parser(made)]
    for verb, inner, said in verbs(made):
        parts += [f"### {name} {verb}", markdown.sentence(said), *_parser(inner)]
        for deeper, last, told in verbs(inner):
            parts += [f"#### {name} {verb} {deeper}", markdown.sentence(told), *_parser(last)]
    return "\n\n".join(part for part in parts if part)


def _parser(made: argparse.ArgumentParser) -> Iterator[str]:
    """Yield a table of a parser's arguments, where it has any of its own."""
    rows = [_row(action) for action in _actions(made)]
    if rows:
        yield markdown.table(["argument", "meaning"], rows)


def _actions(made: argparse.ArgumentParser) -> list[argparse.Action]:
    found = [
        one
        for one in made._actions
        if one.dest not in _DJANGO and not isinstance(one, argparse._SubParsersAction)
    ]
    return sorted(found, key=lambda one: (bool(one.option_strings), one.dest == "as_json"))


def _row(action: argparse.Action) -> list[str]:
    told = (action.help or "") % vars(action)  # as argparse fills it in
    said = [markdown.sentence(told)]
    if action.choices is not None:
        said.append(f"One of {markdown.listed(map(str, action.choices))}.")
    if action.option_strings and action.required:
        said.append("Required.")
    default = _shown(action.default)
    if default and "default" not in told.lower():
        said.append(f"Default `{default}`.")
    return [markdown.code(_spelt(action)), " ".join(filter(None, said))]


def _shown(default: object) -> str:
    """Return a default as it would be typed; nothing where it says no more than the option does."""
    if isinstance(default, bool) or default is None or default == argparse.SUPPRESS:
        return ""
    if isinstance(default, Path):
        return str(default.relative_to(ROOT) if default.is_relative_to(ROOT) else default)
    return ",".join(map(str, default)) if isinstance(default, list | tuple) else str(default)


def _spelt(action: argparse.Action) -> str:
    value = action.metavar or ("" if action.choices is not None else action.dest.upper())
    name = " ".join(value) if isinstance(value, tuple) else str(value)
    if not action.option_strings:
        return f"[{name}]" if action.nargs in ("?", "*") else (name or action.dest.upper())
    takes = "" if action.nargs == 0 else f" {name or action.dest.upper()}"
    more = " ..." if action.nargs in ("*", "+") else ""
    return f"{', '.join(action.option_strings)}{takes}{more}"


def verbs(
    made: argparse.ArgumentParser,
) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Yield the sub-commands of a parser, with what its help says of each."""
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            said = {one.dest: one.help or "" for one in action._choices_actions}
            for verb, inner in action.choices.items():
                yield verb, inner, inner.description or said.get(verb, "")
