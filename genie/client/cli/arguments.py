"""The command line: one-sentence refusals, what every verb takes, and where texts come from."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from genie.client.errors import GenieError, NotConfigured


class Parser(argparse.ArgumentParser):
    """A parser that says in one sentence what is wrong, and exits with status 2."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        self.exit(2, f"{self.prog}: {message}; see '{self.prog} --help'.\n")


def common() -> argparse.ArgumentParser:
    """Return the options that every verb takes."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--json", action="store_true", dest="as_json", help="print one JSON object on the last line"
    )
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="where Genie is (default: GENIE_BASE_URL, or this machine)",
    )
    return parser


def add_timeout(parser: argparse.ArgumentParser, *, default: str = "120") -> None:
    """Add ``--timeout``, where a result is waited for."""
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="S",
        dest="timeout_s",
        help=f"how long to wait for the result, in seconds (default {default})",
    )


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Add ``--field``, for whatever else the body may have."""
    parser.add_argument(
        "--field",
        action="append",
        type=_field,
        default=[],
        metavar="NAME=VALUE",
        dest="fields",
        help="a further field of the body; the value is JSON, or else a text",
    )


def text_of(given: str | None) -> str:
    """Return a text that is given, or of stdin for ``-`` and where nothing is given.

    Raises:
        NotConfigured: There is none.
    """
    if given is not None and given != "-":
        return given
    if given is None and sys.stdin.isatty():
        raise NotConfigured("There is no text: give it as an argument, or pipe it in.")
    text = sys.stdin.read()
    if not text.strip():
        raise NotConfigured("The text that was piped in is empty.")
    return text


def file_or_text(given: str) -> Path | str:
    """Return the file that is named, or what was given as the text that it is."""
    if given == "-":
        return text_of("-")
    path = Path(given)
    try:
        return path if path.is_file() else given
    except (OSError, ValueError):  # too long, or with a NUL: no name of a file
        return given


def read_text(path: Path) -> str:
    """Return a file's text; raises NotConfigured where it has none."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"{path} cannot be read as text: {error}.") from error


def new_file(text: str) -> Path:
    """Return where to write; refused here where that cannot be, before anything is paid for."""
    path = Path(text)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written")
    return path


def write(path: Path, content: bytes) -> None:
    """Write a file; raises GenieError where it cannot be, after all."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise GenieError(f"{path} cannot be written: {error.strerror}.") from error


def merged(fields: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields of ``--field``; the last of a name counts."""
    return dict(fields)


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds
