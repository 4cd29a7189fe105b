"""The page of the models file: its keys, as the code that reads the file asks for them.

The reader itself is run on an entry that has nothing, and what it asks for is written down. What a
value must be is what the reader says of a wrong one.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from inference import models_file, options, registry, toml_keys, upstreams
from inference.specs import UNITS_OF, MediaSpec, ModelSpec, Unit
from tests.reference import markdown, notes

_WRONG = object()  # no value that any reader takes
_LIMITS = {"context_tokens": 2, "max_output_tokens": 1}
# An option whose meaning stands at no field of the upstream: the tokenizer's part reads it.
_READ_ELSEWHERE = {
    "tokenizer": "files of the model by which prompts are counted before they are let in"
}
_OPTIONS = {
    "transformers": "../models.md#options-of-transformers",
    "diffusers": "../models.md#options-of-diffusers",
}


_Of = tuple[str, str]  # a backend and a modality


@dataclasses.dataclass(slots=True)
class Asked:
    """One key that the reader asked for: where it is needed, what it must be, what else counts."""

    musts: list[str] = dataclasses.field(default_factory=list)
    needed: set[_Of] = dataclasses.field(default_factory=set)
    known: set[_Of] = dataclasses.field(default_factory=set)

    @property
    def must(self) -> str:
        """What a value must be; backends may see that differently."""
        return ", or ".join(self.musts)


class _Recorder(toml_keys.Keys):
    """Keys that note what is asked of them; an entry of this modality and backend, and no more."""

    def __init__(
        self, asked: dict[str, Asked], table: Mapping[str, Any], *, of: _Of, prefix: str = ""
    ) -> None:
        super().__init__(table, prefix=prefix)
        self._asked = asked
        self._of = of

    def take(self, key: str, read: Callable[[Any], Any], default: Any = None) -> Any:
        one = self._asked.setdefault(self._prefix + key, Asked())
        one.known.add(self._of)
        if default is None:
            one.needed.add(self._of)
        try:
            read(_WRONG)
        except toml_keys.MistakeError as mistake:
            if (must := str(mistake).removeprefix("it must be ")) not in one.musts:
                one.musts.append(must)
        return super().take(key, read, default)

    def has(self, key: str) -> bool:
        return True

    def table(self, key: str) -> "_Recorder":
        self.take(key, toml_keys.table, {})
        return _Recorder(self._asked, {}, of=self._of, prefix=f"{self._prefix}{key}.")


def asked() -> dict[str, Asked]:
    """Return every key of an entry, by its dotted name."""
    found: dict[str, Asked] = {}
    backends = frozenset(registry._BACKENDS)
    for backend, modality in sorted(backends):
        # The limits, for one of them is the default of another.
        table = {"backend": backend, "modality": modality.value, **_LIMITS}
        keys = _Recorder(found, table, of=(backend, modality.value))
        models_file._read_model(keys, directory=Path("/"), backends=backends)
    return found


def page() -> str:
    """Return the page."""
    keys = asked()
    return markdown.page(
        "models.toml",
        "Each `[[models]]` table is one model. A key that is unknown, missing or wrong stops the start, "
        "and `manage.py check` names each. [Models](../models.md) explains them with examples, "
        "[Bring your model](../how-to/bring-your-model.md) goes through one.",
        "## Keys\n\n" + _keys(keys),
        "## Prices\n\n`price` has a `version` and the rates of the modality, in credits.\n\n"
        + _prices(keys),
        "## Media\n\n`media` says how a model of pictures, videos or sound works.\n\n"
        + _media(keys),
        *(_own_options(backend) for backend in _OPTIONS),
        _upstream_options(),
    )


def _keys(keys: Mapping[str, Asked]) -> str:
    said = notes.of_fields(ModelSpec)
    rows = [
        [markdown.code(key), _needed(one), one.must, markdown.sentence(said[key])]
        for key, one in keys.items()
        if "." not in key and key not in ("price", "media")
    ]
    return markdown.table(["key", "needed by", "must be", "meaning"], rows)


def _needed(one: Asked) -> str:
    """Return which models need a key: by what they make, or else by what runs them."""
    every = {(backend, modality.value) for backend, modality in registry._BACKENDS}
    if one.needed == every:
        return "every model"
    modalities = {modality for _, modality in one.needed}
    if one.needed == {(backend, made) for backend, made in every if made in modalities}:
        return ", ".join(sorted(modalities))
    return ", ".join(sorted({markdown.code(backend) for backend, _ in one.needed}))


def _prices(keys: Mapping[str, Asked]) -> str:
    said = notes.of_fields(Unit)
    rows = [
        [
            markdown.code(unit),
            ", ".join(modality for modality, units in UNITS_OF.items() if unit in units),
            markdown.sentence(said[unit.name]),
        ]
        for unit in Unit
    ]
    rate = next(one.must for name, one in keys.items() if name == f"price.{Unit.PROMPT}")
    return (
        markdown.table(["rate", "of", "for"], rows)
        + f"\n\nA rate is {rate.replace('million tokens', 'unit')}, in quotes or as a number."
    )


def _media(keys: Mapping[str, Asked]) -> str:
    said = notes.of_fields(MediaSpec)
    usual = MediaSpec()
    rows = [
        [
            markdown.code(name.removeprefix("media.")),
            ", ".join(sorted({modality for _, modality in one.known})),
            markdown.code(_plain(getattr(usual, name.removeprefix("media.")))),
            one.must,
            markdown.sentence(said[name.removeprefix("media.")]),
        ]
        for name, one in keys.items()
        if name.startswith("media.")
    ]
    return markdown.table(["key", "of", "default", "must be", "meaning"], rows)


def _own_options(backend: str) -> str:
    rows = [[markdown.code(key), must] for key, (_, must) in options._KNOWN[backend].items()]
    return (
        f"## Options of {backend}\n\n[What each does]({_OPTIONS[backend]}).\n\n"
        + markdown.table(["option", "must be"], rows)
    )


def _upstream_options() -> str:
    said = notes.of_fields(upstreams.Upstream)
    usual = {
        one.name: one.default
        for one in dataclasses.fields(upstreams.Upstream)
        if one.default is not dataclasses.MISSING
    }
    rows = [
        [
            markdown.code(key),
            markdown.code(_plain(usual.get(field))),
            _must(read),
            markdown.sentence(said.get(field) or _READ_ELSEWHERE[key]),
        ]
        for key, (field, read) in upstreams._READERS.items()
    ]
    return (
        "## Options of openai\n\nFor a model that [another server runs]"
        "(../how-to/front-an-openai-server.md); [what each does](../models.md#options-of-openai).\n\n"
        + markdown.table(["option", "default", "must be", "meaning"], rows)
    )


def _must(read: Callable[[Any], Any]) -> str:
    try:
        read(_WRONG)
    except ValueError as mistake:
        return str(mistake).removeprefix("it must be ").removeprefix("must be ")
    return ""


def _plain(value: Any) -> str:
    """Return a default as the file spells it; nothing where there is none."""
    if value is None or (
        isinstance(value, Collection) and not isinstance(value, str) and not value
    ):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
