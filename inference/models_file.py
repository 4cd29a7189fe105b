"""Reads models.toml into specs, and names every mistake in it: file, model, key, what to do."""

import dataclasses
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from inference import upstreams
from inference.errors import RegistryError
from inference.specs import UNITS_OF, MediaSpec, ModelSpec, Price, Unit
from inference.types import Modality

MICROCREDITS_PER_CREDIT = 1_000_000
# Credits; no more can be held for one request, so a model that could cost more could never be asked.
MOST_OF_A_REQUEST = 1_000_000_000

_T = TypeVar("_T")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_QUEUE = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
# Those of modalities, so that no model's jobs mix with another modality's; and our own.
_RESERVED_QUEUES = frozenset({*Modality, "webhooks", "maintenance"})
# Only these are paths; "name/name" is a hub id. So what a source means never depends on which
# directories happen to exist.
_PATH_PREFIXES = ("./", "../", "/")


class _MistakeError(Exception):
    """The value of one key is wrong."""


def read_models(path: Path, *, backends: Collection[tuple[str, Modality]]) -> list[ModelSpec]:
    """Return the models of the file, in its order.

    Raises:
        RegistryError: with one sentence for each mistake.
    """
    tables, problems = _tables(path)
    specs = []
    for number, table in enumerate(tables, start=1):
        keys = _Keys(table)
        specs.append(_read_model(keys, directory=path.parent.resolve(), backends=backends))
        name = table.get("id", f"number {number}")
        problems += [f"{path}: model {name}: {problem}" for problem in keys.problems]
    if not problems:
        found = [*_shared_names(specs), *_mixed_queues(specs)]
        problems = [f"{path}: {problem}" for problem in found]
    if problems:
        raise RegistryError(problems)
    return specs


def _tables(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        problem = f"cannot be read ({error.strerror}); set GENIE_MODELS_FILE to a models file."
        raise RegistryError([f"{path}: {problem}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RegistryError([f"{path}: is not valid TOML: {error}."]) from error
    tables = document.pop("models", None)
    problems = [f"{path}: unknown key {key!r}; only [[models]] is known." for key in document]
    if not tables or not isinstance(tables, list) or not isinstance(tables[0], dict):
        raise RegistryError([*problems, f"{path}: has no [[models]] table; add one per model."])
    return tables, problems


class _Keys:
    """Takes keys out of one table, and collects what is wrong instead of raising at the first."""

    def __init__(self, table: Mapping[str, Any], *, prefix: str = "") -> None:
        self._left = dict(table)
        self._prefix = prefix
        self.problems: list[str] = []

    def take(self, key: str, read: Callable[[Any], _T], default: _T | None = None) -> _T:
        """Return the key's value; a wrong one is noted, and then the return value is useless."""
        if key not in self._left:
            if default is None:
                self.problems.append(f"{self._prefix}{key} is missing.")
            return default  # type: ignore[return-value]  # never used: problems stop the reading
        value = self._left.pop(key)
        try:
            return read(value)
        except _MistakeError as mistake:
            self.problems.append(f"{self._prefix}{key} is {_shown(value)}; {mistake}.")
            return default  # type: ignore[return-value]

    def has(self, key: str) -> bool:
        """Return whether the key is there and nobody has taken it."""
        return key in self._left

    def table(self, key: str) -> "_Keys":
        """Return the keys of a table inside this one; report() hands its problems on."""
        return _Keys(self.take(key, _table, {}), prefix=f"{self._prefix}{key}.")

    def finish(self, *inner: "_Keys") -> None:
        """Note the keys that nobody took, and the problems of inner tables."""
        for keys in inner:
            self.problems += keys.problems
        self.problems += [f"{self._prefix}{key} is not a known key." for key in self._left]


def _read_model(
    keys: _Keys, *, directory: Path, backends: Collection[tuple[str, Modality]]
) -> ModelSpec:
    backend = keys.take("backend", _one_of({name for name, _ in backends}))
    modality = keys.take("modality", _one_of({modality.value for _, modality in backends}))
    is_chat = modality == Modality.CHAT.value
    is_media = modality in _MEDIA
    context = keys.take("context_tokens", _count, 0 if is_media else None)
    most = keys.take("max_output_tokens", _count, None if is_chat else 0)
    price = keys.table("price")
    media = keys.table("media")
    spec = ModelSpec(
        id=keys.take("id", _name),
        aliases=keys.take("aliases", _names, ()),
        modality=Modality(modality) if modality else Modality.CHAT,
        backend=backend,
        source=keys.take(
            "source", _source_of(backend, directory), None if backend in _WITH_SOURCE else ""
        ),
        revision=keys.take("revision", _text, "") or None,
        description=keys.take("description", _text, ""),
        free_tier=keys.take("free_tier", _flag, _NO),
        context_tokens=context,
        max_output_tokens=most,
        default_max_tokens=keys.take("default_max_tokens", _count, most),
        capabilities=keys.take("capabilities", _names, ()),
        price=_read_price(price, modality=modality),
        max_batch=keys.take("max_batch", _count, 1),
        media=_read_media(media, modality=modality),
        queue=keys.take("queue", _queue, ""),
        pinned=keys.take("pinned", _flag, _NO),
        options=_options(keys.take("options", _table, {}), backend=backend, directory=directory),
    )
    keys.finish(price, media)
    if not keys.problems:
        keys.problems += _contradictions(spec, backends)
    return spec


def _read_media(keys: _Keys, *, modality: str | None) -> MediaSpec:
    """Return how a media model works; a model of tokens has no such table."""
    usual = MediaSpec()
    known = _MEDIA.get(modality or "", frozenset(_MEDIA_KEYS))
    found = {
        key: keys.take(key, read, getattr(usual, key))
        for key, read in _MEDIA_KEYS.items()
        if key in known and keys.has(key)
    }
    keys.finish()
    return usual if keys.problems else dataclasses.replace(usual, **found)


def _read_price(keys: _Keys, *, modality: str | None) -> Price:
    """Return the price; which units it must have is known once the modality is."""
    version = keys.take("version", _text)
    rates = {unit: keys.take(unit, _rate_of(unit), 0) for unit in Unit if keys.has(unit)}
    keys.finish()
    if modality is not None:
        keys.problems += _unit_problems(Modality(modality), rates)
    if Unit.PROMPT in rates:
        rates.setdefault(Unit.COMPLETION, 0)  # embeddings generate nothing
    return Price(version=version, rates=rates)


def _unit_problems(modality: Modality, given: Collection[Unit]) -> list[str]:
    """Return what is wrong about the units of a price, whatever its rates are."""
    known = UNITS_OF[modality]
    problems = [
        f"price.{unit} is no rate of {modality} models; they have {', '.join(known)}."
        for unit in given
        if unit not in known
    ]
    if modality is Modality.AUDIO:
        if len([unit for unit in given if unit in known]) != 1:
            problems.append(
                "price needs minute (a model that transcribes) or thousand_characters (one that "
                "speaks), not both."
            )
    elif known[0] not in given:
        problems.append(f"price.{known[0]} is missing.")
    return problems


def _contradictions(spec: ModelSpec, backends: Collection[tuple[str, Modality]]) -> list[str]:
    problems = []
    if (spec.backend, spec.modality) not in backends:
        problems.append(f"backend {spec.backend!r} cannot run modality {spec.modality.value!r}.")
    if spec.max_output_tokens > spec.context_tokens:
        problems.append(
            f"max_output_tokens is {spec.max_output_tokens}; it must not be more than "
            f"context_tokens, {spec.context_tokens}."
        )
    if spec.default_max_tokens > spec.max_output_tokens:
        problems.append(
            f"default_max_tokens is {spec.default_max_tokens}; it must not be more than "
            f"max_output_tokens, {spec.max_output_tokens}."
        )
    if spec.modality in (Modality.CHAT, Modality.EMBEDDING):
        problems += _too_dear(spec)
    if spec.backend == upstreams.BACKEND:
        problems += upstreams.problems(spec)
    return problems


def _too_dear(spec: ModelSpec) -> list[str]:
    """Return the problem of a model of tokens that one request, as long as may be, cannot pay."""
    unit, rate = max(spec.price.rates.items(), key=lambda one: one[1])
    dearest = spec.context_tokens * rate // (unit.parts * MICROCREDITS_PER_CREDIT)
    if dearest < MOST_OF_A_REQUEST:
        return []
    problem = (
        f"price.{unit} makes a request of {spec.context_tokens} tokens (context_tokens) cost "
        f"{dearest} credits; it must stay below {MOST_OF_A_REQUEST}. Lower the price."
    )
    return [problem]


def _shared_names(specs: list[ModelSpec]) -> list[str]:
    owner: dict[str, str] = {}
    problems = []
    for spec in specs:
        for name in (spec.id, *spec.aliases):
            if name in owner:
                problems.append(
                    f"model {spec.id}: the name {name!r} is already taken by model "
                    f"{owner[name]}; each id and alias may occur once."
                )
            owner[name] = spec.id
    return problems + _shared_free_tier(specs)


def _shared_free_tier(specs: list[ModelSpec]) -> list[str]:
    chosen: dict[Modality, str] = {}
    problems = []
    for spec in (spec for spec in specs if spec.free_tier):
        if spec.modality in chosen:
            problems.append(
                f"model {spec.id}: free_tier is true for model {chosen[spec.modality]} already; "
                f"one {spec.modality} model may serve the free tier."
            )
        chosen.setdefault(spec.modality, spec.id)
    return problems


def _mixed_queues(specs: list[ModelSpec]) -> list[str]:
    first: dict[str, ModelSpec] = {}
    return [
        f"model {spec.id}: queue {spec.queue!r} has jobs of {first[spec.queue].modality} already "
        f"(model {first[spec.queue].id}); a queue is for one modality."
        for spec in specs
        if spec.queue and first.setdefault(spec.queue, spec).modality is not spec.modality
    ]


def _one_of(known: Collection[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in known:
            raise _MistakeError(f"it must be one of {', '.join(sorted(known))}")
        return str(value)

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _MistakeError("it must be a text in quotes")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise _MistakeError("it must be 1 to 128 letters, digits and . _ : / - in quotes")
    return value


def _queue(value: Any) -> str:
    if not isinstance(value, str) or not _QUEUE.fullmatch(value):
        raise _MistakeError("it must be 1 to 40 lower-case letters, digits and dashes in quotes")
    if value in _RESERVED_QUEUES:
        raise _MistakeError("that queue is taken; name one of its own")
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _MistakeError("it must be a list of names")
    return tuple(_name(item) for item in value)


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise _MistakeError("it must be a whole number of at least 1")
    return value


def _seconds(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= _MOST_SECONDS:
        raise _MistakeError(f"it must be a whole number of seconds from 1 to {_MOST_SECONDS}")
    return value


def _guidance(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 <= value <= 100:
        raise _MistakeError("it must be a number from 0 to 100")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _MistakeError("it must be true or false")
    return value


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _MistakeError("it must be a table")
    return value


def _source_of(backend: str | None, directory: Path) -> Callable[[Any], str]:
    return _base_url if backend == upstreams.BACKEND else _source_under(directory)


def _base_url(value: Any) -> str:
    try:
        return upstreams.base_url(value)
    except ValueError as problem:
        raise _MistakeError(str(problem)) from None


def _source_under(directory: Path) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and value.startswith(_PATH_PREFIXES):
            return str((directory / value).resolve())
        if isinstance(value, str) and _HUB_ID.fullmatch(value):
            return value
        raise _MistakeError("it must be a directory that begins with ./ or /, or a hub id a/b")

    return read


_NO = False
_WITH_SOURCE = frozenset({"transformers", "diffusers", upstreams.BACKEND})
_MOST_SECONDS = 4 * 3600
_MEDIA_KEYS: Mapping[str, Callable[[Any], Any]] = {
    "steps": _count,
    "guidance": _guidance,
    "max_pixels": _count,
    "fps": _count,
    "max_seconds": _seconds,
    "max_characters": _count,
    "voices": _names,
}
_MEDIA = {
    Modality.IMAGE.value: frozenset({"steps", "guidance", "max_pixels"}),
    Modality.VIDEO.value: frozenset({"steps", "guidance", "max_pixels", "fps", "max_seconds"}),
    Modality.AUDIO.value: frozenset({"max_seconds", "max_characters", "voices"}),
    Modality.CHAT.value: frozenset(),
    Modality.EMBEDDING.value: frozenset(),
}
_PER = {
    Unit.PROMPT: "million tokens",
    Unit.COMPLETION: "million tokens",
    Unit.MEGAPIXEL_STEP: "megapixel and step",
    Unit.MEGAPIXEL_SECOND: "megapixel and second",
    Unit.MINUTE: "minute",
    Unit.THOUSAND_CHARACTERS: "thousand characters",
}


def _rate_of(unit: Unit) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        """Turn credits into micro-credits, exactly."""
        # A Decimal's "f" spells NaN and infinity out in letters, which no rate has.
        text = f"{value:f}" if type(value) is int or isinstance(value, Decimal) else value
        if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
            raise _MistakeError(
                f"it must be credits per {_PER[unit]} with at most 6 decimals, 0 to 999999999"
            )
        return int(Decimal(text) * MICROCREDITS_PER_CREDIT)

    return read


def _options(table: Mapping[str, Any], *, backend: str | None, directory: Path) -> dict[str, Any]:
    """Return the options of a model, those that are paths as absolute ones."""
    options = {key: _plain(value) for key, value in (table or {}).items()}
    for key in upstreams.PATH_OPTIONS if backend == upstreams.BACKEND else ():
        if str(options.get(key, "")).startswith(_PATH_PREFIXES):
            options[key] = str((directory / options[key]).resolve())
    return options


def _plain(value: Any) -> Any:
    """Return an option with ordinary floats, however deep: decimals are for prices only."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)
