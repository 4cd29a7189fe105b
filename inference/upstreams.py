"""What the models file says about a model behind a server that speaks OpenAI's protocol. Pure.

The models file is refused where this is wrong, so a worker that starts has options it can use.
"""

import dataclasses
import enum
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from inference.specs import ModelSpec

BACKEND = "openai"  # as the models file spells it
PATH_OPTIONS = ("tokenizer", "ca_file")  # relative to the models file where they begin with a dot

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_MOST_SECONDS = 24 * 3600


class Check(enum.StrEnum):
    """How loading makes sure that the server has the model."""

    LIST = "list"  # GET /models names it
    ASK = "ask"  # it gives one token, or one vector: for servers that do not list what they serve


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A model of another server, and how to ask for it. Times are seconds."""

    base_url: str  # without a slash at its end
    model: str  # what the server calls it
    api_key_env: str | None = None  # the environment variable of the worker that has the key
    check: Check = Check.LIST  # how loading makes sure that the server has the model
    omit: frozenset[str] = frozenset()  # fields that are never sent
    body: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # fields that always are
    max_tokens_field: str = "max_tokens"  # what the server calls the limit of an answer
    ca_file: str | None = None  # authorities for its certificate, beside the public ones
    connect_s: float = 5.0  # until it takes a connection
    first_s: float = 300.0  # until an answer begins: it may wait for its turn, or for a load
    stall_s: float = 60.0  # between two pieces of an answer
    total_s: float = 3600.0  # for a whole request; the run limit of jobs is usually shorter


def upstream_of(spec: ModelSpec) -> Upstream:
    """Return the upstream of an entry of the models file.

    Raises:
        ValueError: With the first of ``problems``.
    """
    fields, found = _read(spec)
    if found:
        raise ValueError(found[0])
    return Upstream(base_url=spec.source, **{"model": spec.id, **fields})


def problems(spec: ModelSpec) -> list[str]:
    """Return one sentence for each mistake in the options of an entry."""
    return _read(spec)[1]


def base_url(value: Any) -> str:
    """Return a source as a base URL.

    Raises:
        ValueError: It is none; the message says what it must be.
    """
    problem = "it must be a URL such as http://localhost:8000/v1, without a user, ? or #"
    if not isinstance(value, str) or not value.isascii() or any(char <= " " for char in value):
        raise ValueError(problem)
    try:
        parts = urlsplit(value)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        raise ValueError(problem) from None
    # A user or a query may be a secret, and a source is shown to operators.
    if not is_whole or "@" in parts.netloc or "?" in value or "#" in value:
        raise ValueError(problem)
    return value.rstrip("/")


def _read(spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    fields: dict[str, Any] = {}
    found: list[str] = []
    for key, value in spec.options.items():
        if key not in _READERS:
            found.append(f"options.{key} is not a known option of backend {BACKEND}.")
            continue
        name, read = _READERS[key]
        try:
            fields[name] = read(value)
        except ValueError as mistake:
            # Where a key's name belongs, the most likely mistake is the key: it is not told again.
            shown = "" if key == "api_key_env" else f"is {value!r}; "
            found.append(f"options.{key} {shown}{mistake}.")
    fields.pop("tokenizer", None)  # inference.tokenization reads it
    return fields, found


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("it must be a text in quotes")
    return value


def _variable(value: Any) -> str:
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise ValueError("must be the name of an environment variable, not the key itself")
    return value


def _check(value: Any) -> Check:
    if value not in set(Check):
        raise ValueError(f"it must be one of {', '.join(Check)}")
    return Check(value)


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ValueError("it must be a list of names of fields")
    return frozenset(value)


def _fields(value: Any) -> dict[str, Any]:
    taken = {"model", "messages", "input", "stream"}
    if not isinstance(value, dict) or taken & set(value):
        raise ValueError(f"it must be a table of fields, none of {', '.join(sorted(taken))}")
    return value


def _limit_field(value: Any) -> str:
    known = ("max_tokens", "max_completion_tokens")
    if value not in known:
        raise ValueError(f"it must be one of {', '.join(known)}")
    return str(value)


def _path(value: Any) -> str:
    if not isinstance(value, str) or not Path(value).is_absolute():
        raise ValueError("it must be a path that begins with ./ or /")
    return value


def _tokenizer(value: Any) -> str:
    if not isinstance(value, str) or not (value.startswith("/") or _HUB_ID.fullmatch(value)):
        raise ValueError("it must be a directory that begins with ./ or /, or a hub id a/b")
    return value


def _seconds(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= _MOST_SECONDS:
        raise ValueError(f"it must be a number of seconds above 0, at most {_MOST_SECONDS}")
    return float(value)


_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "model": ("model", _text),
    "api_key_env": ("api_key_env", _variable),
    "check": ("check", _check),
    "omit": ("omit", _names),
    "body": ("body", _fields),
    "max_tokens_field": ("max_tokens_field", _limit_field),
    "tokenizer": ("tokenizer", _tokenizer),
    "ca_file": ("ca_file", _path),
    "connect_seconds": ("connect_s", _seconds),
    "first_seconds": ("first_s", _seconds),
    "stall_seconds": ("stall_s", _seconds),
    "total_seconds": ("total_s", _seconds),
}
