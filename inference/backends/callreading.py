"""Reads the tool calls in a model's text as it comes, and tells the answer's script.

A call that a grammar holds together is told as it grows. Any other is kept until it is whole, so
that one that is malformed, or calls what is no tool, can still become text.
"""

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from inference import scripts
from inference.toolcalls import CallForm
from inference.types import ToolCall

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_ARGUMENTS = re.compile(r'"(?:arguments|parameters)"\s*:\s*')


def _no_number(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are no JSON, though Python reads them


_DECODER = json.JSONDecoder(parse_constant=_no_number)


class _Read(NamedTuple):
    """What became of the text at hand: what is told of it, and whether there is more to do."""

    told: str
    goes_on: bool


class CallReader:
    """Reads one answer. Feed it all text, then finish it; the pieces joined are the script."""

    def __init__(self, form: CallForm, *, names: Collection[str], is_constrained: bool) -> None:
        self._form = form
        self._names = frozenset(names)
        self._heads = {form.head(name): name for name in names} if is_constrained else {}
        self._held = ""  # text that nothing has been decided about
        self._content: list[str] = []
        self._calls: list[ToolCall] = []
        self._arguments: list[str] = []  # of the call that is told as it grows
        self._after_call = False
        self._read = self._read_text if form is CallForm.QWEN else self._read_start

    @property
    def content(self) -> str:
        """The text of the answer so far."""
        return "".join(self._content)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls of the answer; complete once it is finished."""
        return tuple(self._calls)

    def feed(self, text: str) -> str:
        """Take more text; return what the script gains."""
        self._held += scripts.clean(text)
        told, goes_on = "", True
        while goes_on and self._held:
            piece, goes_on = self._read()
            told += piece
        return told

    def finish(self) -> str:
        """Return the rest of the script, when no more text comes."""
        rest, self._held = self._held, ""
        if self._read == self._read_arguments:
            return self._end_arguments(rest)
        if self._read == self._read_body:
            whole = self._call_of(rest) if self._form is CallForm.LLAMA else None
            return whole if whole is not None else self._tell(self._opening + rest)
        return self._tell(rest.rstrip() if self._after_call else rest)

    @property
    def _opening(self) -> str:
        return _OPEN if self._form is CallForm.QWEN else ""

    # Each of these reads what is held as far as it can, and sets what reads on from there.

    def _read_text(self) -> _Read:
        """Tell text up to the next call; blanks before it belong to no one."""
        before, found, behind = self._held.partition(_OPEN)
        if found:
            self._held, self._read = behind, self._read_head if self._heads else self._read_body
            return _Read(self._tell(before.rstrip()), goes_on=True)
        keep = _beginning(before, _OPEN)
        certain = before[: len(before) - keep].rstrip()
        self._held = before[len(certain) :]
        return _Read(self._tell(certain), goes_on=False)

    def _read_start(self) -> _Read:
        """Decide whether the answer is a call at all, in the form that has no tags."""
        start = self._held.lstrip()
        if not start:
            return _Read("", goes_on=False)
        if start.startswith("{"):
            self._read = self._read_head if self._heads else self._read_body
        else:
            self._read = self._read_rest
        return _Read("", goes_on=True)

    def _read_rest(self) -> _Read:
        text, self._held = self._held, ""
        return _Read(self._tell(text), goes_on=False)

    def _read_head(self) -> _Read:
        """Wait for one of the heads that the grammar has."""
        held = self._held.lstrip()
        for text, name in self._heads.items():
            if held.startswith(text):
                self._held, self._read = held[len(text) :], self._read_arguments
                self._after_call = True
                self._arguments = []
                self._calls.append(ToolCall(name=name, arguments=""))
                return _Read(scripts.head(name), goes_on=True)
        if not held or any(text.startswith(held) for text in self._heads):
            return _Read("", goes_on=False)
        if self._form is CallForm.LLAMA:  # JSON that is an answer
            self._read = self._read_rest
            return _Read("", goes_on=True)
        self._read = self._read_body
        return _Read("", goes_on=True)

    def _read_arguments(self) -> _Read:
        """Tell arguments as they come, up to what closes the call."""
        closing = self._form.closing
        if self._form is CallForm.QWEN:
            before, found, behind = self._held.partition(closing)
            if found:
                self._held, self._read = behind, self._read_text
                return _Read(self._argue(before) + self._close(), goes_on=True)
        keep = _beginning(self._held, closing, whole=True)
        certain = self._held[: len(self._held) - keep]
        self._held = self._held[len(certain) :]
        return _Read(self._argue(certain), goes_on=False)

    def _read_body(self) -> _Read:
        """Keep a call until it is whole; then it is a call, or text."""
        if self._form is CallForm.LLAMA:
            return _Read("", goes_on=False)
        body, found, behind = self._held.partition(_CLOSE)
        if not found:
            return _Read("", goes_on=False)
        self._held, self._read = behind, self._read_text
        call = self._call_of(body)
        return _Read(call if call is not None else self._tell(_OPEN + body + _CLOSE), goes_on=True)

    def _end_arguments(self, rest: str) -> str:
        """End a call at the end of the answer: by its closing, or where a limit cut it."""
        is_whole = self._form is CallForm.LLAMA and rest and _is_json("".join(self._arguments))
        told = "" if is_whole else self._argue(rest)
        return told + self._close()

    def _call_of(self, body: str) -> str | None:
        """Return the script of a whole call; None if it is none."""
        found = _parsed(body)
        if found is None or found.name not in self._names:
            return None
        self._calls.append(found)
        self._after_call = True
        return scripts.head(found.name) + found.arguments

    def _argue(self, text: str) -> str:
        self._arguments.append(text)
        return text

    def _close(self) -> str:
        last = self._calls[-1]
        self._calls[-1] = ToolCall(name=last.name, arguments="".join(self._arguments))
        return ""

    def _tell(self, text: str) -> str:
        if self._after_call and not text.strip():
            return ""
        self._content.append(text)
        resumed, self._after_call = self._after_call, False
        return (scripts.CONTENT if resumed else "") + text


def _parsed(body: str) -> ToolCall | None:
    """Return the call that a JSON text describes, its arguments exactly as they were written."""
    try:
        call = _DECODER.decode(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return None
    arguments = call.get("arguments", call.get("parameters"))
    if isinstance(arguments, str):  # JSON in a string, as some models write it
        return ToolCall(name=call["name"], arguments=arguments) if _is_object(arguments) else None
    if not isinstance(arguments, dict):
        return None
    written = _written(body, arguments)
    return None if written is None else ToolCall(name=call["name"], arguments=written)


def _written(body: str, arguments: dict[str, Any]) -> str | None:
    for found in _ARGUMENTS.finditer(body):
        try:
            value, end = _DECODER.raw_decode(body, found.end())
        except ValueError:
            continue
        if value == arguments:
            return body[found.end() : end]
    return None


def _is_json(text: str) -> bool:
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_object(text: str) -> bool:
    return _is_json(text) and isinstance(json.loads(text), dict)


def _beginning(text: str, mark: str, *, whole: bool = False) -> int:
    """Return the length of the longest end of a text that a mark begins with."""
    longest = len(mark) if whole else len(mark) - 1
    sizes = range(min(longest, len(text)), 0, -1)
    return next((size for size in sizes if mark.startswith(text[-size:])), 0)
