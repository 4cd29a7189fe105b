"""The shapes that the generators of dialogues and the training share."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Message = Mapping[str, Any]  # OpenAI's shape: role, content, tool_calls


class Kind(enum.StrEnum):
    """What one exchange exercises; the evaluation reports each by itself."""

    GREETING = "greeting"  # hello, thanks, goodbye, who are you
    NAME = "name"  # tell a name, ask for it again in a later turn
    ARITHMETIC = "arithmetic"  # small sums, differences, products, quotients
    CAPITAL = "capital"  # the capital of a country
    OPPOSITE = "opposite"  # the opposite of a word
    CALENDAR = "calendar"  # what comes before or after a day or a month
    ECHO = "echo"  # say these words
    JSON = "json"  # the facts of a sentence as a JSON object
    LISTING = "listing"  # counting, days, months, alphabet, a short story: longer answers
    TOOLS = "tools"  # call the right function, report its result
    UNKNOWN = "unknown"  # anything else: an honest answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One user prompt and the one answer the model is taught to give."""

    kind: Kind
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """A whole conversation. `kind` is that of its last exchange; every answer in it is trained on."""

    kind: Kind
    messages: tuple[Message, ...]  # ends with the assistant's answer
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def prompts(self) -> tuple[str, ...]:
        """What the user said, turn by turn."""
        return tuple(str(m["content"]) for m in self.messages if m["role"] == "user")
