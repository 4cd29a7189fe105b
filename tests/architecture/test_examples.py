"""What the documentation has people type is what the code takes: configuration, commands, requests."""

import ast
import functools
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import CommandError, get_commands, load_command_class

from genie.openapi.views import DOCUMENT
from genie.standalone import topology
from inference import registry
from tests import documents
from tests.documents import Block
from tests.reference.commands import HEAVY

# Written above a block that is no whole example.
PART = "a part"
_COMMAND = re.compile(r"manage\.py ([a-z_]+)((?: [^\n|>;&)]*)?)")
_VERB = re.compile(r"^\s*(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]*)", re.MULTILINE)
_ADDRESS = re.compile(r"\$(?:GENIE|BASE)(/[^\s\"'?|`)]*)")
_METHOD = re.compile(r"-X ([A-Z]+)")
_BODY = re.compile(r"-d '(\{.*?\})'(?=\s|\)|$)", re.DOTALL)

TOMLS = [one for one in documents.every_block("toml") if one.note != PART]
SHELLS = documents.every_block("sh", "console")
PYTHONS = documents.every_block("python")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One curl of a page."""

    block: Block
    method: str
    path: str
    body: str  # as it is typed; empty where there is none, or where the shell makes it


def _joined(block: Block) -> str:
    """Return a block with the lines joined that a backslash continues."""
    return re.sub(r"\\\n\s*", " ", block.text)


def commands() -> Iterator[tuple[Block, str, str]]:
    """Yield each management command of a block, with its name and its arguments."""
    for block in SHELLS:
        for name, arguments in _COMMAND.findall(_joined(block)):
            if name not in HEAVY:
                yield block, name, arguments


def calls() -> Iterator[Call]:
    """Yield each curl of a block that asks the API."""
    for block in SHELLS:
        for one in re.split(r"(?=\bcurl )", _joined(block)):
            if not one.startswith("curl ") or (address := _ADDRESS.search(one)) is None:
                continue
            sends = " -d " in one or " -F " in one
            method, body = _METHOD.search(one), _BODY.search(one)
            yield Call(
                block=block,
                method=method[1] if method else ("POST" if sends else "GET"),
                path=address[1],
                body=body[1] if body else "",
            )


COMMANDS, CALLS = list(commands()), list(calls())


@pytest.mark.parametrize("block", TOMLS, ids=lambda block: block.place)
def test_configuration_is_read_by_what_reads_it(block: Block, tmp_path: Path) -> None:
    tables = tomllib.loads(block.text)
    path = tmp_path / "example.toml"
    path.write_text(block.text, "utf-8")

    match list(tables):
        case ["models"]:
            assert registry.load_registry(path).models
        case ["worker"]:
            topology.check(topology.load(path), _models_of(block.page))
        case _:
            pytest.fail(f"no loader reads it; write '<!-- {PART} -->' above it if it is one")


def _models_of(page: Path) -> list[dict[str, Any]]:
    """Return the models that a topology of a page may name: the page's, and those that are shipped."""
    texts = [one.text for one in TOMLS if one.page == page]
    texts.append((documents.ROOT / "inference" / "models.toml").read_text("utf-8"))
    return [model for text in texts for model in tomllib.loads(text).get("models", [])]


@pytest.mark.parametrize(
    ("block", "name", "arguments"),
    COMMANDS,
    ids=[f"{one.place} {name}" for one, name, _ in COMMANDS],
)
def test_a_command_takes_its_arguments(block: Block, name: str, arguments: str) -> None:
    known = get_commands()
    assert name in known, f"{block.place}: there is no command {name}"

    parser = load_command_class(known[name], name).create_parser("manage.py", name)
    try:
        parser.parse_args(shlex.split(arguments, comments=True))
    except CommandError as error:
        pytest.fail(f"{block.place}: {name}{arguments}: {error}")


def test_every_verb_of_make_exists() -> None:
    makefile = (documents.ROOT / "Makefile").read_text("utf-8")
    known = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    unknown = {
        (one.place, verb) for one in SHELLS for verb in _VERB.findall(one.text) if verb not in known
    }

    assert unknown == set()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.block.place} {call.path}")
def test_a_request_is_one_that_the_api_describes(call: Call) -> None:
    operation = _operation(call.method, call.path)
    assert operation is not None, f"{call.block.place}: no route {call.method} {call.path}"

    if call.body:
        content = operation["requestBody"]["content"]["application/json"]["schema"]
        schema = {**content, "components": _document()["components"]}
        jsonschema.Draft202012Validator(schema).validate(json.loads(call.body))


def _operation(method: str, path: str) -> dict[str, Any] | None:
    """Return the description of a route, by a path whose parameters the shell may still have to fill."""
    for template, item in sorted(_document()["paths"].items()):
        pattern = re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(template))
        if method.lower() in item and re.fullmatch(pattern, path):
            return dict(item[method.lower()])
    return None


@functools.cache
def _document() -> dict[str, Any]:
    return dict(json.loads(DOCUMENT.read_text("utf-8")))


@pytest.mark.parametrize("block", PYTHONS, ids=lambda block: block.place)
def test_python_is_python(block: Block) -> None:
    ast.parse(block.text, filename=block.place)
