"""Puts the deltas of a stream together again, as the message that a caller who waits is given. Pure."""

from collections.abc import Mapping
from typing import Any

from genie.client.types import ChatMessage, Delta, Usage


class Assembled:
    """The first answer of a streamed chat so far."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self.model = ""
        self.finish_reason: str | None = None
        self.usage: Usage | None = None

    @property
    def text(self) -> str:
        """Return what it says."""
        return "".join(self._text)

    @property
    def message(self) -> ChatMessage:
        """Return it as a message: what goes into ``messages`` for the next turn."""
        calls = [self._calls[place] for place in sorted(self._calls)]
        content = self.text or (None if calls else "")
        return ChatMessage.model_validate({"content": content, "tool_calls": calls})

    def add(self, delta: Delta) -> None:
        """Take in a delta."""
        self.usage = delta.usage or self.usage
        if delta.restarted:
            self._text, self._calls = [], {}
        if delta.index != 0:
            return
        if delta.text:
            self._text.append(delta.text)
        for piece in delta.tool_calls:
            self._add_call(piece)
        self.finish_reason = delta.finish_reason or self.finish_reason

    def _add_call(self, piece: Mapping[str, Any]) -> None:
        """Take in a piece of a tool call: its id and name come first, its arguments bit by bit."""
        empty = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        call = self._calls.setdefault(int(piece.get("index", 0)), empty)
        said = piece.get("function") or {}
        call["id"] = piece.get("id") or call["id"]
        call["function"]["name"] += said.get("name") or ""
        call["function"]["arguments"] += said.get("arguments") or ""
