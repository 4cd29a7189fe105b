"""What the playground offers of each modality: its route, its modes, and the fields of its body. Pure.

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
    model: str  # what is chosen at first
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


def _prompt(placeholder: str, *, name: str = "prompt", required: bool = True) -> Field:
    return Field(
        name=name,
        label="Prompt" if name == "prompt" else "Text",
        control=Control.AREA,
        value=Value.STRING,
        placeholder=placeholder,
        required=required,
        main=True,
    )


def _select(name: str, label: str, choices: Sequence[str], **more: Any) -> Field:
    return Field(
        name=name, label=label, control=Control.SELECT, value=Value.STRING, choices=choices, **more
    )


_SEED = Field(
    name="seed", label="Seed", hint="The same seed gives the same answer", least=0, step="1"
)
_OWN_SEED = dataclasses.replace(_SEED, openai=False)
_LIMIT = Field(
    name="timeout_seconds",
    label="Time limit, s",
    least=1,
    openai=False,
    hint="To start, and to run",
)
_NEGATIVE = Field(
    name="negative_prompt",
    label="Negative prompt",
    control=Control.TEXT,
    value=Value.STRING,
    openai=False,
)
_SECONDS = Field(
    name="duration_seconds", label="Duration, s", initial="4", least=1, most=15, openai=False
)
_SIZES = ("256x256", "512x512", "1024x1024", "1792x1024", "1024x1792")

_CHAT = Shape(
    key="chat",
    label="Chat",
    route="/chat/completions",
    modes=("stream", "sync", "async"),
    modality="chat",
    model="lite",
    call="chat.completions.create",
    fields=(
        Field(
            name="system",
            label="System",
            control=Control.TEXT,
            value=Value.SYSTEM,
            placeholder="Optional: how to answer",
            main=True,
        ),
        Field(
            name="user",
            label="Message",
            control=Control.AREA,
            value=Value.USER,
            placeholder="What is the capital of France?",
            required=True,
            main=True,
        ),
        Field(name="temperature", label="Temperature", least=0, most=2, step="0.1"),
        Field(name="top_p", label="Top p", least=0, most=1, step="0.05"),
        Field(name="max_tokens", label="Most tokens", least=1, step="1"),
        Field(name="n", label="Answers", least=1, most=8, step="1"),
        Field(
            name="stop",
            label="Stop strings",
            control=Control.AREA,
            value=Value.LINES,
            hint="One a line, up to four",
        ),
        _SEED,
        Field(name="presence_penalty", label="Presence penalty", least=-2, most=2, step="0.1"),
        Field(name="frequency_penalty", label="Frequency penalty", least=-2, most=2, step="0.1"),
        _LIMIT,
        Field(
            name="response_format",
            label="Response format",
            control=Control.JSON,
            value=Value.JSON,
            placeholder='{"type": "json_object"}',
            hint="JSON: json_object, or json_schema with a schema",
        ),
        Field(
            name="tools",
            label="Tools",
            control=Control.JSON,
            value=Value.JSON,
            placeholder='[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]',
            hint="JSON: a list of functions, as OpenAI's clients write them",
        ),
        Field(
            name="tool_choice",
            label="Tool choice",
            control=Control.TEXT,
            value=Value.STRING,
            placeholder="auto, none or required",
        ),
    ),
)
_IMAGE = Shape(
    key="image",
    label="Images",
    route="/images/generations",
    modes=("sync", "async"),
    modality="image",
    model="flux-schnell",
    call="images.generate",
    fields=(
        _prompt("A lighthouse at dusk, in the manner of an old postcard"),
        _select("size", "Size", _SIZES, initial="512x512"),
        Field(name="n", label="Pictures", initial="1", least=1, most=10, step="1"),
        _select("output_format", "Format", ("png", "webp", "jpeg")),
        _OWN_SEED,
        _NEGATIVE,
        _LIMIT,
    ),
)
_VIDEO = Shape(
    key="video",
    label="Video",
    route="/videos/generations",
    modes=("async",),
    modality="video",
    capability="generation",
    model="wan-2.1",
    fields=(
        _prompt("Waves roll onto a beach at sunrise"),
        _SECONDS,
        Field(
            name="size",
            label="Size",
            control=Control.TEXT,
            value=Value.STRING,
            initial="512x512",
            hint="Such as 1280x720",
            openai=False,
        ),
        _OWN_SEED,
        _NEGATIVE,
        _LIMIT,
    ),
)
_TRANSITION = Shape(
    key="transition",
    label="Transition",
    route="/videos/transitions",
    modes=("async",),
    modality="video",
    capability="transition",
    model="wan-2.1",
    fields=(
        Field(
            name="start_image",
            label="First picture",
            control=Control.FILE,
            value=Value.DATA_URL,
            accept="image/png,image/jpeg,image/webp,image/gif",
            required=True,
            main=True,
            openai=False,
        ),
        Field(
            name="end_image",
            label="Last picture",
            control=Control.FILE,
            value=Value.DATA_URL,
            accept="image/png,image/jpeg,image/webp,image/gif",
            hint="Optional",
            main=True,
            openai=False,
        ),
        _prompt("Optional: what happens between them", required=False),
        _SECONDS,
        _select(
            "size",
            "Size",
            ("512x512", "720x720", "1280x720", "1920x1080"),
            openai=False,
        ),
        _OWN_SEED,
        _LIMIT,
    ),
)
_SPEECH = Shape(
    key="speech",
    label="Speech",
    route="/audio/speech",
    modes=("sync", "async"),
    modality="audio",
    capability="speech",
    model="tts-1",
    call="audio.speech.create",
    sound=True,
    fields=(
        _prompt("Good morning. Your order has left the house.", name="input"),
        Field(
            name="voice",
            label="Voice",
            control=Control.TEXT,
            value=Value.STRING,
            initial="alloy",
            required=True,
        ),
        Field(name="speed", label="Speed", least=0.25, most=4, step="0.25"),
        _select("response_format", "Format", ("mp3", "opus", "aac", "flac", "wav")),
        _LIMIT,
    ),
)
_TRANSCRIPTION = Shape(
    key="transcription",
    label="Transcription",
    route="/audio/transcriptions",
    modes=("sync", "async"),
    modality="audio",
    capability="transcription",
    model="whisper-1",
    call="audio.transcriptions.create",
    form=True,
    fields=(
        Field(
            name="file",
            label="Recording",
            control=Control.FILE,
            value=Value.FILE,
            accept="audio/*,video/webm,.wav,.mp3,.ogg,.webm,.flac,.m4a",
            required=True,
            main=True,
        ),
        Field(
            name="language",
            label="Language",
            control=Control.TEXT,
            value=Value.STRING,
            hint="Two letters, such as en",
        ),
        _select("response_format", "Format", ("json", "verbose_json", "text", "srt", "vtt")),
        Field(name="temperature", label="Temperature", least=0, most=1, step="0.1"),
        Field(
            name="prompt",
            label="Prompt",
            control=Control.TEXT,
            value=Value.STRING,
            hint="Names and words to expect",
        ),
    ),
)
_EMBEDDING = Shape(
    key="embedding",
    label="Embeddings",
    route="/embeddings",
    modes=("sync", "async"),
    modality="embedding",
    model="text-embedding-3-small",
    call="embeddings.create",
    fields=(
        Field(
            name="input",
            label="Texts",
            control=Control.AREA,
            value=Value.LINES,
            placeholder="One text a line",
            required=True,
            main=True,
        ),
        Field(name="dimensions", label="Dimensions", least=1, step="1"),
        _LIMIT,
    ),
)

SHAPES = (_CHAT, _IMAGE, _VIDEO, _TRANSITION, _SPEECH, _TRANSCRIPTION, _EMBEDDING)
_BY_KEY = {one.key: one for one in SHAPES}


def named(key: str) -> Shape:
    """Return the modality of this key; the first one for any other text.

    >>> named("video").label, named("nonsense").label
    ('Video', 'Chat')
    """
    return _BY_KEY.get(key, SHAPES[0])
