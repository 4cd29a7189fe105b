"""Every environment variable that the code reads, with its default, its unit and what it is for.

Found by reading the sources: calls of ``genie.core.env``, and look-ups in ``os.environ``.
"""

import ast
import functools
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genie.core import env
from tests.reference import markdown, notes
from tests.reference.notes import Comments

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "genie" / "settings"
PACKAGES = ("genie", "jobs", "budgets", "inference", "webhooks")
_READS = re.compile(r"\benv\.|\benviron\b")  # what a source has that reads any
_OF_THE_SHELL = frozenset({"PATH"})
_NAME = re.compile(r"[A-Z][A-Z0-9_]{2,}")
# Found where processes of our own make them, or where the names are those of other programs.
_ELSEWHERE = "Read by workers and tools"
_UNITS = {
    "boolean": "1 or 0",
    "seconds": "seconds",
    "words": "list, with commas between",
    "port_ranges": "ports, such as `443,8000-8999`",
    "address": "host:port",
    "days_by_name": "days by name, such as `acme=30,globex=7`",
}
_BY_ENDING = {"_BYTES": "bytes", "_DAYS": "days", "_PERCENT": "percent"}
_SIZES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable."""

    name: str
    section: str  # the theme of its settings module: what the docstring begins with
    unit: str
    default: str  # as the page shows it
    meaning: str  # empty where no comment says it


@functools.cache
def found() -> Sequence[Variable]:
    """Return all variables: those of the settings in their order, then the others by name."""
    settings = _first_of_each(_of_settings())
    others = _first_of_each(_of_others())
    return [
        *settings.values(),
        *sorted(
            (one for one in others.values() if one.name not in settings), key=lambda one: one.name
        ),
    ]


def page() -> str:
    """Return the page of settings."""
    variables = found()
    sections = dict.fromkeys(one.section for one in variables)
    tables = [
        _section(name, [one for one in variables if one.section == name]) for name in sections
    ]
    return markdown.page(
        "Settings",
        "Genie is configured by environment variables. A variable that is malformed stops the start, "
        "with a sentence that names it. Under `make up` the state directory supplies what the "
        "environment does not (secrets, addresses); in production (`GENIE_ENVIRONMENT=production`, the "
        "default) no secret has a default. Every process of a system gets the same ones, on every "
        "machine. [Operations](../operations.md) says which to think about first.",
        *tables,
        _LIBRARIES,
    )


def _section(name: str, variables: list[Variable]) -> str:
    rows = [
        [markdown.code(one.name), one.default, one.unit, markdown.sentence(one.meaning)]
        for one in variables
    ]
    return f"## {name}\n\n" + markdown.table(["variable", "default", "unit", "meaning"], rows)


def _first_of_each(variables: Iterator[Variable]) -> dict[str, Variable]:
    """Return the variables by name; one that is read in several places has what each says first."""
    known: dict[str, Variable] = {}
    for one in variables:
        before = known.setdefault(one.name, one)
        if not before.meaning and one.meaning:
            known[one.name] = one
    return known


def _of_settings() -> Iterator[Variable]:
    for path in _themes():
        source = path.read_text("utf-8")
        theme = (ast.get_docstring(ast.parse(source)) or "").partition(":")[0]
        for one in _reads(source):
            yield replace(one, section=theme)


def _themes() -> list[Path]:
    """Return the modules of the settings, in the order in which the package imports them."""
    package = ast.parse((SETTINGS / "__init__.py").read_text("utf-8"))
    imported = [one.module for one in package.body if isinstance(one, ast.ImportFrom)]
    return [ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in imported if name]


def _of_others() -> Iterator[Variable]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            source = path.read_text("utf-8")
            if SETTINGS not in path.parents and _READS.search(source):
                yield from _reads(source)


def _reads(source: str) -> Iterator[Variable]:
    """Yield the variables that a source text reads, in order."""
    comments = notes.read(source)
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr | ast.stmt)]
    places = [node for node in nodes if isinstance(node, ast.Call | ast.Subscript)]
    for node in sorted(places, key=lambda node: (node.lineno, node.col_offset)):
        read = _from_env(node, _constants(tree)) or _from_environ(node)
        if read is not None:
            name, unit, default = read
            meaning = _meaning(node, nodes, comments)
            yield Variable(
                name=name, section=_ELSEWHERE, unit=unit, default=default, meaning=meaning
            )


def _meaning(node: ast.expr, nodes: Sequence[ast.expr | ast.stmt], comments: Comments) -> str:
    """Return the comments at the call itself, else those at the nearest thing that it is part of."""
    first, last = node.lineno, node.end_lineno or node.lineno
    if own := comments.of(first, last):
        return own
    around = [one for one in nodes if one.lineno <= first and (one.end_lineno or 0) >= last]
    simple = [one for one in around if not isinstance(one, ast.FunctionDef | ast.ClassDef)]
    for outer in sorted(simple, key=lambda one: one.lineno, reverse=True):
        if said := comments.of(outer.lineno, outer.lineno):
            return said
    return ""


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return the texts that a module gives names to."""
    return {name: value for statement in tree.body for name, value in _constant(statement)}


def _constant(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(value))):
            yield name, value


def _from_env(node: ast.expr, constants: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return name, unit and default of a call of ``genie.core.env``."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="env"), attr=reader), args=[named, *rest]
        ):
            name = (
                named.value
                if isinstance(named, ast.Constant)
                else constants.get(ast.unparse(named))
            )
            if not isinstance(name, str) or not inspect.isfunction(getattr(env, reader, None)):
                return None
            given = {one.arg: one.value for one in node.keywords}
            default = rest[0] if rest else given.get("default")
            unit = _UNITS.get(reader) or next(
                (unit for end, unit in _BY_ENDING.items() if name.endswith(end)),
                "number" if reader == "integer" else "text",
            )
            if default is None:
                is_needed = reader == "text"
                return name, unit, "**required**" if is_needed else "none"
            return name, unit, _shown(default, unit)
    return None


def _from_environ(node: ast.expr) -> tuple[str, str, str] | None:
    """Return the same of a look-up in the environment itself; it has no default there."""
    match node:
        case (
            ast.Call(
                func=ast.Attribute(value=where, attr="get"),
                args=[ast.Constant(value=str(name)), *_],
            )
            | ast.Subscript(value=where, slice=ast.Constant(value=str(name)))
        ):
            is_environ = isinstance(where, ast.Attribute | ast.Name) and (
                ast.unparse(where) in ("os.environ", "environ")
            )
            if is_environ and _NAME.fullmatch(name) and name not in _OF_THE_SHELL:
                return name, "text", "none"
    return None


def _shown(default: ast.expr, unit: str) -> str:
    """Return a default as people read it; what is worked out is told in words."""
    match default:
        case ast.IfExp(test=ast.Name(id="PRODUCTION"), body=body, orelse=other):
            return f"{_shown(body, unit)} in production, else {_shown(other, unit)}"
        case ast.Name(id=name):
            return "1 in production, else 0" if name == "PRODUCTION" else f"that of `{name}`"
        case ast.Call(func=ast.Name(id="str"), args=[path]):
            base, *parts = ast.unparse(path).replace("'", "").split(" / ")
            where = "`GENIE_STATE_DIR`" if base == "STATE_DIR" else "the checkout"
            return f"`{'/'.join(parts)}` in {where}"
        case ast.JoinedStr():
            return "the origin of `GENIE_BASE_URL`"
    return _constant_shown(default, unit)


def _constant_shown(default: ast.expr, unit: str) -> str:
    """Return a number or a text; a product, or a shift of bits, as the number that it is."""
    value = eval(ast.unparse(default), {"__builtins__": {}})  # noqa: S307 - a constant of ours
    if value in ("", None):
        return "none"
    if unit == "bytes":
        return _size(value)
    return markdown.code(str(int(value) if isinstance(value, bool) else value))


def _size(value: int) -> str:
    many = next(((value // size, unit) for size, unit in _SIZES if value >= size), None)
    said = "" if many is None else f" ({many[0]} {many[1]})"
    return f"`{value}`{said}"


_LIBRARIES = """
## Variables of libraries

Read by what Genie is built on, in the processes named:

| variable | read by | for what |
| --- | --- | --- |
| `CUDA_VISIBLE_DEVICES`, `CUDA_DEVICE_ORDER` | workers | which GPUs a process sees; `gpus` of a [topology](topology.md) sets them |
| `HF_HOME`, `HF_HUB_OFFLINE`, `HF_TOKEN` | workers, `models pull`, web processes | where hub models are kept; that nothing is downloaded; the key for models that need one |
| `OMP_NUM_THREADS`, `MKL_NUM_THREADS`, `OMP_WAIT_POLICY` | workers | threads of torch's libraries; `torch_threads` of a topology sets them |
| `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and the others that boto3 looks for | web processes and workers | credentials of the bucket of `GENIE_FILES_BUCKET` |
| `FLOWER_BASIC_AUTH`, `FLOWER_PORT`, `FLOWER_READ_ONLY` and Flower's other options | Flower | as its documentation has them |
"""
