"""Counts the tokens of messages and texts, without torch.

Web processes count with it before a job is admitted, and backends encode with it, so both see the
same tokens. A bound is never less than the count and runs no tokenizer.
"""

import functools
import json
import re
import threading
from pathlib import Path
from typing import Protocol

import huggingface_hub

from inference.errors import ModelLoadFailed
from inference.prompt_tokenizer import (
    SPECIAL_TOKENS_OF_A_TEXT,
    Inputs,
    Messages,
    PromptTokenizer,
    Tools,
)
from inference.specs import ModelSpec

_ECHO_TOKEN = re.compile(r"\s*\S+|\s+$")
_TEMPLATE_BYTES_UNKNOWN = 1024  # head of a template that cannot be read here
_MESSAGE_BYTES_UNKNOWN = 64


class TokenCounter(Protocol):
    """Counts the prompt tokens of one model."""

    is_exact: bool  # False where the tokenizer is not on this machine: counts are upper bounds

    def count_chat(self, messages: Messages, tools: Tools = ()) -> int:
        """Return the tokens of a prompt, those of the chat template included."""

    def upper_bound_chat(self, messages: Messages, tools: Tools = ()) -> int:
        """Return at least count_chat(messages, tools), in little time."""

    def count_texts(self, inputs: Inputs) -> int:
        """Return the tokens of all inputs together, special tokens included."""

    def upper_bound_texts(self, inputs: Inputs) -> int:
        """Return at least count_texts(inputs), in little time."""


class EchoCounter:
    """Counts what the echo backend counts: words."""

    is_exact = True

    def count_chat(self, messages: Messages, tools: Tools = ()) -> int:  # noqa: ARG002 - it reads none
        """Return the words of all messages."""
        return sum(len(echo_tokens(str(message.get("content") or ""))) for message in messages)

    def upper_bound_chat(self, messages: Messages, tools: Tools = ()) -> int:  # noqa: ARG002 - as above
        """Return the bytes of all messages: no word has less than one."""
        return sum(len(str(message.get("content") or "").encode()) for message in messages)

    def count_texts(self, inputs: Inputs) -> int:
        """Return the words, or token ids, of all inputs."""
        return sum(len(echo_tokens(x)) if isinstance(x, str) else len(x) for x in inputs)

    def upper_bound_texts(self, inputs: Inputs) -> int:
        """Return the bytes, or token ids, of all inputs."""
        return sum(len(x.encode()) if isinstance(x, str) else len(x) for x in inputs)


class BoundCounter:
    """Stands in where the tokenizer files are not on this machine: every count is a bound."""

    is_exact = False

    def count_chat(self, messages: Messages, tools: Tools = ()) -> int:
        """Return the bytes of messages and tools, and a generous share for the template."""
        body = sum(
            len(json.dumps(dict(one), ensure_ascii=False, default=str).encode())
            + _MESSAGE_BYTES_UNKNOWN
            for one in (*messages, *tools)
        )
        return _TEMPLATE_BYTES_UNKNOWN + 3 * body  # normalisation can treble a text at most

    def upper_bound_chat(self, messages: Messages, tools: Tools = ()) -> int:
        """Return count_chat(messages, tools)."""
        return self.count_chat(messages, tools)

    def count_texts(self, inputs: Inputs) -> int:
        """Return the bytes, or token ids, of all inputs."""
        return sum(
            3 * len(x.encode()) + SPECIAL_TOKENS_OF_A_TEXT if isinstance(x, str) else len(x)
            for x in inputs
        )

    def upper_bound_texts(self, inputs: Inputs) -> int:
        """Return count_texts(inputs)."""
        return self.count_texts(inputs)


def echo_tokens(text: str) -> list[str]:
    """Split a text the way the echo models do: words, each with the white space before it.

    >>> echo_tokens("one two  three ")
    ['one', ' two', '  three', ' ']
    """
    return _ECHO_TOKEN.findall(text)


def counter_for(spec: ModelSpec) -> TokenCounter:
    """Return the counter of a model, the same object for the same checkpoint.

    Raises:
        ModelLoadFailed: the checkpoint's tokenizer files are damaged.
    """
    if spec.backend == "echo":
        return EchoCounter()
    directory = checkpoint_directory(spec)
    return BoundCounter() if directory is None else tokenizer_for(spec, directory=directory)


def tokenizer_for(spec: ModelSpec, *, directory: Path) -> PromptTokenizer:
    """Return the tokenizer of a checkpoint directory, cached.

    Raises:
        ModelLoadFailed: its files are missing or damaged.
    """
    options = spec.options.get("template", {})
    try:
        with _OPENING:  # so that threads that start together read the files once
            return _open_tokenizer(directory, json.dumps(options, sort_keys=True))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelLoadFailed(f"The tokenizer of model {spec.id} could not be read.") from error


def checkpoint_directory(spec: ModelSpec) -> Path | None:
    """Return where the files of a model are on this machine, or None; never goes to the network."""
    source = spec.tokenizer_source
    if source.startswith("/"):
        return Path(source) if (Path(source) / "tokenizer.json").is_file() else None
    if not source:
        return None
    found = huggingface_hub.try_to_load_from_cache(source, "tokenizer.json", revision=spec.revision)
    return Path(found).parent if isinstance(found, str) else None


_OPENING = threading.Lock()


@functools.lru_cache(maxsize=64)
def _open_tokenizer(directory: Path, template_options: str) -> PromptTokenizer:
    return PromptTokenizer(directory, template_options=json.loads(template_options))
