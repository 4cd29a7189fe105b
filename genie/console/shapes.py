"""What a form of the playground is made of: its route, its modes, and the fields of its body. Pure.

The playground draws its form from this and its script makes the body by it, so that the names of
fields stand in one place. What is allowed is the API's to judge: a bound here only helps to type.
"""

import dataclasses
from collections.abc import Sequence
from enum import StrEnum
from typing import Any


class Control(StrEnum):
    """How a field is asked for."""

    TEXT = "text"
    AREA = "area"
    NUMBER = "number"
    SELECT = "select"
    JSON = "json"
    FILE = "file"


class Value(StrEnum):
    """What a field's text becomes in the body."""

    STRING = "string"
    NUMBER = "number"
    LINES = "lines"  # a list of strings, one a line
    JSON = "json"
    FILE = "file"  # of a form
    DATA_URL = "data-url"  # a file, as a data: URL
    SYSTEM = "system"  # the system message of a chat
    USER = "user"  # the user's message of a chat


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a body."""

    name: str
    label: str
    control: Control = Control.NUMBER
    value: Value = Value.NUMBER
    hint: str = ""
    placeholder: str = ""
    initial: str = ""
    choices: Sequence[str] = ()
    least: float | None = None
    most: float | None = None
    step: str = "any"
    accept: str = ""  # media types of a file
    required: bool = False
    main: bool = False  # shown above the fold; the others are parameters
    openai: bool = True  # whether OpenAI's client has an argument of this name

    def wire(self) -> dict[str, Any]:
        """Return what the script has to know."""
        return {"name": self.name, "value": self.value.value, "openai": self.openai}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One modality: where it is asked for, how, and with what."""

    key: str
    label: str
    route: str  # below /v1
    modes: Sequence[str]  # the default first
    modality: str  # of the models that serve it
    capability: str = ""  # that such a model must have; none: any
    model: str = ""  # what is chosen at first, where it is configured; else the first that serves
    fields: Sequence[Field]
    call: str = ""  # the method of OpenAI's client; none: its generic post
    form: bool = False  # sent as a form, for it carries a file
    sound: bool = False  # a sync answer is sound, not JSON

    @property
    def main_fields(self) -> list[Field]:
        """The fields that everybody fills in."""
        return [one for one in self.fields if one.main]

    @property
    def parameters(self) -> list[Field]:
        """The fields that have a good default."""
        return [one for one in self.fields if not one.main]

    def wire(self) -> dict[str, Any]:
        """Return what the script has to know."""
        return {
            "key": self.key,
            "route": self.route,
            "modes": list(self.modes),
            "modality": self.modality,
            "capability": self.capability,
            "model": self.model,
            "call": self.call,
            "form": self.form,
            "sound": self.sound,
            "fields": [one.wire() for one in self.fields],
        }


def prompt(placeholder: str, *, name: str = "prompt", required: bool = True) -> Field:
    """Return the field that says what is to be made."""
    return Field(
        name=name,
        label="Prompt" if name == "prompt" else "Text",
        control=Control.AREA,
        value=Value.STRING,
        placeholder=placeholder,
        required=required,
        main=True,
    )


def select(
    name: str, label: str, choices: Sequence[str], *, value: Value = Value.STRING, **more: Any
) -> Field:
    """Return a field with few values; the first is chosen, unless ``initial`` names another."""
    return Field(
        name=name, label=label, control=Control.SELECT, value=value, choices=choices, **more
    )


SEED = Field(
    name="seed", label="Seed", hint="The same seed gives the same answer", least=0, step="1"
)
OWN_SEED = dataclasses.replace(SEED, openai=False)
LIMIT = Field(
    name="timeout_seconds",
    label="Time limit, s",
    least=1,
    openai=False,
    hint="To start, and to run",
)
