"""The models of the system under test: echoes with known pace and price, and the tiny real ones."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest

CHECKPOINTS = Path(__file__).resolve().parents[2] / "inference" / "checkpoints"
_SHIPPED = (
    "genie-tiny-chat",
    "genie-tiny-embedding",
    "genie-tiny-rerank",
    "genie-tiny-speech",
    "genie-tiny-transcription",
)
TINY = tuple(name for name in _SHIPPED if (CHECKPOINTS / name / "model.safetensors").is_file())

(
    needs_tiny_chat,
    needs_tiny_embedding,
    needs_tiny_rerank,
    needs_tiny_speech,
    needs_tiny_transcription,
) = (
    pytest.mark.skipif(name not in TINY, reason=f"{name} is not built: run `make models`")
    for name in _SHIPPED
)

# Micro-credits per token of every echo model, prompt and completion alike: 100 credits a million.
TOKEN_MICROCREDITS = 100

_ECHO = """
[[models]]
id = "{id}"
aliases = [{aliases}]
modality = "{modality}"
backend = "echo"
context_tokens = {context}
{more}
max_batch = 256
price = {{ version = "test-1", prompt = "{rate}", completion = "{rate}" }}
options = {{ {options} }}
"""

# A picture of 256 by 256 costs 0.262144 credits a step, a second of sound or a character 1/1000.
_MEDIA = """
[[models]]
id = "echo-image"
aliases = ["flux-schnell", "dall-e-3"]
modality = "image"
backend = "echo"
price = { version = "test-1", megapixel_step = "4" }
media = { steps = 4 }

[[models]]
id = "echo-image-slow"
modality = "image"
backend = "echo"
price = { version = "test-1", megapixel_step = "4" }
media = { steps = 100 }
options = { step_seconds = 0.05 }

[[models]]
id = "echo-image-small"
aliases = ["sdxl-turbo"]
modality = "image"
backend = "echo"
free_tier = true
price = { version = "test-1", megapixel_step = "1" }
media = { steps = 1 }

[[models]]
id = "echo-image-missing"
modality = "image"
backend = "echo"
price = { version = "test-1", megapixel_step = "1" }
options = { missing = true }

[[models]]
id = "echo-speech"
aliases = ["tts-1"]
modality = "audio"
backend = "echo"
price = { version = "test-1", thousand_characters = "1" }
media = { max_characters = 1000, voices = ["alloy", "echo"] }

[[models]]
id = "echo-transcription"
aliases = ["whisper-1"]
modality = "audio"
backend = "echo"
price = { version = "test-1", minute = "0.06" }
media = { max_seconds = 60 }
"""

# A second of 64 by 64 costs 0.004096 credits.
_VIDEO = """
[[models]]
id = "tiny-video"
aliases = ["wan-2.1"]
modality = "video"
backend = "diffusers"
source = "{checkpoints}/genie-tiny-wan"
capabilities = ["generation", "transition", "seed"]
price = {{ version = "test-1", megapixel_second = "1" }}
media = {{ steps = 4, fps = 4, max_seconds = 5 }}
options = {{ device = "cpu", transitions = "./transitions" }}
"""

_TINY = {
    "genie-tiny-chat": """
[[models]]
id = "genie-tiny-chat"
aliases = ["lite", "standard", "pro", "coder", "heavy"]
modality = "chat"
backend = "transformers"
source = "{checkpoints}/genie-tiny-chat"
context_tokens = 1024
max_output_tokens = 512
default_max_tokens = 64
capabilities = ["stream", "stop", "seed", "penalties", "structured-output", "tools", "n", "logprobs", "completions"]
max_batch = 32
price = {{ version = "test-1", prompt = "1", completion = "4" }}
options = {{ device = "cpu" }}
""",
    "genie-tiny-embedding": """
[[models]]
id = "genie-tiny-embedding"
modality = "embedding"
backend = "transformers"
source = "{checkpoints}/genie-tiny-embedding"
context_tokens = 512
capabilities = ["dimensions"]
max_batch = 64
price = {{ version = "test-1", prompt = "1" }}
options = {{ device = "cpu" }}
""",
    "genie-tiny-rerank": """
[[models]]
id = "genie-tiny-rerank"
modality = "rerank"
backend = "transformers"
source = "{checkpoints}/genie-tiny-rerank"
context_tokens = 512
max_batch = 64
price = {{ version = "test-1", prompt = "1" }}
options = {{ device = "cpu" }}
""",
    "genie-tiny-speech": """
[[models]]
id = "genie-tiny-speech"
modality = "audio"
backend = "transformers"
source = "{checkpoints}/genie-tiny-speech"
price = {{ version = "test-1", thousand_characters = "1" }}
options = {{ device = "cpu" }}
""",
    "genie-tiny-transcription": """
[[models]]
id = "genie-tiny-transcription"
modality = "audio"
backend = "transformers"
source = "{checkpoints}/genie-tiny-transcription"
capabilities = ["word-timestamps"]
price = {{ version = "test-1", minute = "0.06" }}
options = {{ device = "cpu" }}
""",
}


ALONE = "echo-alone-queue"  # of one model
_MODALITY = re.compile(r'^modality = "(.+)"$', re.MULTILINE)
# Of the models that need torch, one for each modality: whoever serves them takes seconds to start.
TINY_QUEUES = tuple(sorted({"tiny-" + _MODALITY.findall(_TINY[name])[0] for name in TINY}))

_HEAD = "[[models]]"
_ID = re.compile(r'^id = "(.+)"', re.MULTILINE)

# Faults that a model has while the file of that name lies beside the models file.
FAULTS = ("hang", "device-lost", "out-of-memory", "killed", "eats-memory")


def _fault(directory: Path, fault: str) -> str:
    return f'fault = "{fault}", fault_file = "{directory / fault}", fault_after = 2'


def write(path: Path, *, only: Collection[str] = ()) -> None:
    """Write the models file; with `only`, of those models."""
    text = "".join(
        [
            _chat("echo", aliases='"parrot"', options="step_seconds = 0.0"),
            _chat("echo-slow", options="step_seconds = 0.1"),  # ten words a second
            _chat("echo-broken", options="fail_load = true"),
            _chat("echo-alone", options="step_seconds = 0.0", queue=ALONE),
            *(_chat(f"echo-{fault}", options=_fault(path.parent, fault)) for fault in FAULTS),
            _chat("echo-small", context=40, options="step_seconds = 0.0"),
            _echo("echo-embedding", modality="embedding", options="width = 64"),
            _echo("echo-rerank", modality="rerank", options="step_seconds = 0.0", more=""),
            _echo("echo-rerank-broken", modality="rerank", options="fail_load = true", more=""),
            _echo("echo-rerank-slow", modality="rerank", options="step_seconds = 60.0", more=""),
            # One input may cost a billion credits nearly; two of that length are above all bounds.
            _echo(
                "echo-dear",
                modality="embedding",
                context=1_000_000,
                options="width = 64",
                rate="999999999",
            ),
        ]
    )
    text += _MEDIA + _VIDEO.format(checkpoints=CHECKPOINTS)
    tiny = "".join(_TINY[name].format(checkpoints=CHECKPOINTS) for name in TINY)
    text += _MODALITY.sub(r'\g<0>\nqueue = "tiny-\1"', tiny)
    if only:
        tables = [_HEAD + one for one in text.split(_HEAD)[1:]]
        text = "".join(one for one in tables if _ID.search(one)[1] in only)  # type: ignore[index]
    path.write_text(text, "utf-8")


def _chat(
    name: str, *, aliases: str = "", context: int = 8192, options: str, queue: str = ""
) -> str:
    most = min(4096, context // 2)
    more = (
        f"max_output_tokens = {most}\n"
        f"default_max_tokens = {min(256, most)}\n"
        'capabilities = ["stream", "stop", "seed", "n", "completions"]'
        + (f'\nqueue = "{queue}"' if queue else "")
    )
    return _echo(
        name, aliases=aliases, modality="chat", context=context, more=more, options=options
    )


def _echo(
    name: str,
    *,
    modality: str,
    aliases: str = "",
    context: int = 8192,
    more: str = 'capabilities = ["dimensions"]',
    options: str,
    rate: str = f"{TOKEN_MICROCREDITS}",
) -> str:
    return _ECHO.format(
        id=name,
        aliases=aliases,
        modality=modality,
        context=context,
        more=more,
        options=options,
        rate=rate,
    )
