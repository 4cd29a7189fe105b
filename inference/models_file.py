"""Reads models.toml into specs, and names every mistake in it: file, model, key, what to do."""

import dataclasses
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from inference import contradictions, toml_keys, upstreams
from inference.errors import RegistryError
from inference.specs import UNITS_OF, MediaSpec, ModelSpec, Price, Unit
from inference.types import Modality

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_QUEUE = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
# Those of modalities, so that no model's jobs mix with another modality's; and our own.
_RESERVED_QUEUES = frozenset({*Modality, "webhooks", "maintenance"})
# Only these are paths; "name/name" is a hub id. So what a source means never depends on which
# directories happen to exist.
_PATH_PREFIXES = ("./", "../", "/")


def read_models(path: Path, *, backends: Collection[tuple[str, Modality]]) -> list[ModelSpec]:
    """Return the models of the file, in its order.

    Raises:
        RegistryError: with one sentence for each mistake.
    """
    tables, problems = _tables(path)
    specs = []
    for number, table in enumerate(tables, start=1):
        keys = toml_keys.Keys(table)
        specs.append(_read_model(keys, directory=path.parent.resolve(), backends=backends))
        name = table.get("id", f"number {number}")
        problems += [f"{path}: model {name}: {problem}" for problem in keys.problems]
    if not problems:
        problems = [f"{path}: {problem}" for problem in contradictions.of_all(specs)]
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


def _read_model(
    keys: toml_keys.Keys, *, directory: Path, backends: Collection[tuple[str, Modality]]
) -> ModelSpec:
    backend = keys.take("backend", toml_keys.one_of({name for name, _ in backends}))
    modality = keys.take("modality", toml_keys.one_of({modality.value for _, modality in backends}))
    is_chat = modality == Modality.CHAT.value
    is_media = bool(_MEDIA.get(modality or ""))
    context = keys.take("context_tokens", toml_keys.count, 0 if is_media else None)
    most = keys.take("max_output_tokens", toml_keys.count, None if is_chat else 0)
    price = keys.table("price")
    media = keys.table("media")
    spec = ModelSpec(
        id=keys.take("id", toml_keys.name),
        aliases=keys.take("aliases", toml_keys.names, ()),
        modality=Modality(modality) if modality else Modality.CHAT,
        backend=backend,
        source=keys.take(
            "source", _source_of(backend, directory), None if backend in _WITH_SOURCE else ""
        ),
        revision=keys.take("revision", toml_keys.text, "") or None,
        description=keys.take("description", toml_keys.text, ""),
        free_tier=keys.take("free_tier", toml_keys.flag, _NO),
        context_tokens=context,
        max_output_tokens=most,
        default_max_tokens=keys.take("default_max_tokens", toml_keys.count, most),
        capabilities=keys.take("capabilities", toml_keys.names, ()),
        price=_read_price(price, modality=modality),
        max_batch=keys.take("max_batch", toml_keys.count, 1),
        media=_read_media(media, modality=modality),
        queue=keys.take("queue", _queue, ""),
        pinned=keys.take("pinned", toml_keys.flag, _NO),
        options=_options(
            keys.take("options", toml_keys.table, {}), backend=backend, directory=directory
        ),
    )
    keys.finish(price, media)
    if not keys.problems:
        keys.problems += contradictions.of_one(spec, backends)
    return spec


def _read_media(keys: toml_keys.Keys, *, modality: str | None) -> MediaSpec:
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


def _read_price(keys: toml_keys.Keys, *, modality: str | None) -> Price:
    """Return the price; which units it must have is known once the modality is."""
    version = keys.take("version", toml_keys.text)
    rates = {unit: keys.take(unit, _rate_of(unit), 0) for unit in Unit if keys.has(unit)}
    keys.finish()
    if modality is not None:
        keys.problems += _unit_problems(Modality(modality), rates)
    if Unit.PROMPT in rates:
        rates.setdefault(Unit.COMPLETION, 0)  # embeddings and scores generate nothing
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


def _queue(value: Any) -> str:
    if not isinstance(value, str) or not _QUEUE.fullmatch(value):
        raise toml_keys.MistakeError(
            "it must be 1 to 40 lower-case letters, digits and dashes in quotes"
        )
    if value in _RESERVED_QUEUES:
        raise toml_keys.MistakeError("that queue is taken; name one of its own")
    return value


def _source_of(backend: str | None, directory: Path) -> Callable[[Any], str]:
    return _base_url if backend == upstreams.BACKEND else _source_under(directory)


def _base_url(value: Any) -> str:
    try:
        return upstreams.base_url(value)
    except ValueError as problem:
        raise toml_keys.MistakeError(str(problem)) from None


def _source_under(directory: Path) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and value.startswith(_PATH_PREFIXES):
            return str((directory / value).resolve())
        if isinstance(value, str) and _HUB_ID.fullmatch(value):
            return value
        raise toml_keys.MistakeError(
            "it must be a directory that begins with ./ or /, or a hub id a/b"
        )

    return read


_NO = False
_WITH_SOURCE = frozenset({"transformers", "diffusers", upstreams.BACKEND})
_MEDIA_KEYS: Mapping[str, Callable[[Any], Any]] = {
    "steps": toml_keys.count,
    "guidance": toml_keys.guidance,
    "max_pixels": toml_keys.count,
    "fps": toml_keys.count,
    "max_seconds": toml_keys.seconds,
    "max_characters": toml_keys.count,
    "voices": toml_keys.names,
}
_MEDIA = {
    Modality.IMAGE.value: frozenset({"steps", "guidance", "max_pixels"}),
    Modality.VIDEO.value: frozenset({"steps", "guidance", "max_pixels", "fps", "max_seconds"}),
    Modality.AUDIO.value: frozenset({"max_seconds", "max_characters", "voices"}),
    Modality.CHAT.value: frozenset(),
    Modality.EMBEDDING.value: frozenset(),
    Modality.RERANK.value: frozenset(),
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
            raise toml_keys.MistakeError(
                f"it must be credits per {_PER[unit]} with at most 6 decimals, 0 to 999999999"
            )
        return int(Decimal(text) * contradictions.MICROCREDITS_PER_CREDIT)

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
