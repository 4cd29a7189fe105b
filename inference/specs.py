"""What the registry knows about one model."""

import dataclasses
import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference.types import Modality


class Unit(enum.StrEnum):
    """What a rate is for one of; the value is the key of ``price`` in the models file."""

    PROMPT = "prompt"  # a million tokens that are read
    COMPLETION = "completion"  # a million tokens that are generated
    MEGAPIXEL_STEP = "megapixel_step"  # a million pixels of an image, taken through one step
    MEGAPIXEL_SECOND = "megapixel_second"  # a million pixels of a video's frame, for one second
    MINUTE = "minute"  # a minute of audio that is transcribed
    THOUSAND_CHARACTERS = "thousand_characters"  # a thousand characters of text that is spoken

    @property
    def parts(self) -> int:
        """How many of the parts that are counted make one unit."""
        return _PARTS[self]


# The smallest thing that is counted for each unit, so that counts are whole and prices exact.
_PARTS = {
    Unit.PROMPT: 1_000_000,  # tokens
    Unit.COMPLETION: 1_000_000,  # tokens
    Unit.MEGAPIXEL_STEP: 1_000_000,  # pixel-steps
    Unit.MEGAPIXEL_SECOND: 1_000_000_000,  # pixel-milliseconds
    Unit.MINUTE: 60_000,  # milliseconds
    Unit.THOUSAND_CHARACTERS: 1_000,  # characters
}

# The units that price a modality. An audio model listens or speaks, so it has one of its two.
UNITS_OF: Mapping[Modality, tuple[Unit, ...]] = {
    Modality.CHAT: (Unit.PROMPT, Unit.COMPLETION),
    Modality.EMBEDDING: (Unit.PROMPT, Unit.COMPLETION),
    Modality.RERANK: (Unit.PROMPT, Unit.COMPLETION),
    Modality.IMAGE: (Unit.MEGAPIXEL_STEP,),
    Modality.VIDEO: (Unit.MEGAPIXEL_SECOND,),
    Modality.AUDIO: (Unit.MINUTE, Unit.THOUSAND_CHARACTERS),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model's work costs. A job records the version it was priced with."""

    version: str
    rates: Mapping[Unit, int]  # micro-credits (1e-6 credit) for one of each unit


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MediaSpec:
    """How a model of pictures, videos or sound works, and what it takes; the table ``media``."""

    steps: int = 4  # of the scheduler, for each picture or video
    guidance: float = 0.0  # how strictly to follow the prompt; 0 turns guidance off
    max_pixels: int = 1920 * 1080  # of a picture, or of a video's frame
    fps: int = 8  # frames a second of a video
    max_seconds: int = 15  # of a video that is made, or a recording that is listened to
    max_characters: int = 4096  # of a text that is spoken
    voices: tuple[str, ...] = ()  # names that may be asked for; the first speaks by default


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One entry of the models file."""

    id: str  # what callers ask for
    aliases: tuple[str, ...] = ()  # further names, such as personas
    modality: Modality  # what it makes; its jobs wait in the queue of that name
    backend: str  # what runs it: a key of the registry's table of backends
    source: str = ""  # an absolute local directory, or a hub id; empty where none is needed
    revision: str | None = None  # commit or tag of a hub id
    description: str = ""  # a sentence for people who choose
    free_tier: bool = False  # serves free-tier organisations instead of any other of its modality
    context_tokens: int = 0  # prompt and completion together; per input or pair where nothing is generated; 0 for media
    max_output_tokens: int = 0  # the most that a request may ask for; 0 where nothing is generated
    default_max_tokens: int = 0  # for requests that do not say
    capabilities: tuple[str, ...] = ()  # what requests may ask of it; shown to callers
    price: Price
    max_batch: int = 1  # slots: requests that may run at the same time
    media: MediaSpec = MediaSpec()
    queue: str = ""  # where its jobs wait, apart from those of its modality; empty: among them
    pinned: bool = False  # loaded at the start of each worker that serves it, and never evicted
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # read by the backend

    @property
    def waits_in(self) -> str:
        """The name of the queue of its jobs."""
        return self.queue or self.modality.value

    @property
    def directory(self) -> Path | None:
        """The local directory of the checkpoint; None if the source is anything else, or empty."""
        return Path(self.source) if self.source.startswith("/") else None

    @property
    def is_remote(self) -> bool:
        """Whether another server runs the model: it has the files, and the memory."""
        return "://" in self.source

    @property
    def tokenizer_source(self) -> str:
        """Where the tokenizer's files are: an absolute directory, a hub id, or empty for nowhere."""
        return str(self.options.get("tokenizer", "")) if self.is_remote else self.source
