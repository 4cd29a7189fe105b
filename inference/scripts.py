"""The script of an answer: everything that is told of it, as one text that only grows at its end.

Note [Scripts]
    A plain answer is a text, and so is its script. An answer with tool calls, or of several
    choices, is flattened: four control characters say where a choice, a call, a call's arguments
    or more text begin. So whatever carries an answer piece by piece (deltas, stream entries, the
    seams that a row keeps) carries these answers too, a second attempt is compared with what was
    delivered character by character, and the finished result tells the script again.

    A call's head (its mark, its name, the mark of its arguments) is never cut. The marks do not
    occur in texts: ``clean`` takes them out of what a model writes.

Pure. Knows nothing of how a model writes a call (``inference.toolcalls``) or of any wire format.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence

from inference.types import ToolCall

CONTENT, CHOICE, CALL, ARGUMENTS = "\x1c", "\x1d", "\x1e", "\x1f"
_MARKS = re.compile(f"([{CONTENT}-{ARGUMENTS}])")
_TEXT = f"[^{CONTENT}-{ARGUMENTS}]"
# Marks that tell nothing by themselves go with what follows them.
_PARTS = re.compile(
    f"[{CONTENT}{CHOICE}]*(?:{CALL}{_TEXT}*{ARGUMENTS}|{_TEXT}+)|[{CONTENT}{CHOICE}]+$"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in an answer a script has come to."""

    choice: int = 0
    calls: int = 0  # of this choice, that have begun
    in_call: bool = False  # what follows are arguments of the last of them


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a script, with its place: text, the head of a call, or arguments of a call."""

    choice: int
    call: int | None = None  # None: text
    name: str | None = None  # in the head of a call
    text: str = ""


def head(name: str) -> str:
    """Return how a script begins a call."""
    return f"{CALL}{name}{ARGUMENTS}"


def clean(text: str) -> str:
    """Return a model's text without the marks of scripts."""
    return _MARKS.sub("", text)


def of(choices: Iterable[tuple[str, Sequence[ToolCall]]]) -> str:
    """Return the script of a finished answer: of each choice the text, and then the calls.

    >>> of([("hi", [])])
    'hi'
    """
    return CHOICE.join(
        text + "".join(head(call.name) + call.arguments for call in calls)
        for text, calls in choices
    )


def advance(place: Place, script: str) -> Place:
    """Return where a script has come to, when this follows a place."""
    for part in _MARKS.findall(script):
        place = _marked(place, part)
    return place


def pieces(place: Place, script: str) -> Iterator[Piece]:
    """Yield the parts of a script that follows a place.

    >>> [(one.choice, one.text) for one in pieces(Place(), f"a{CHOICE}b")]
    [(0, 'a'), (1, 'b')]
    """
    parts = iter(["", *_MARKS.split(script)])
    for mark in parts:
        text = next(parts)
        place = _marked(place, mark)
        if mark == CALL:
            yield Piece(choice=place.choice, call=place.calls - 1, name=text)
        elif text:
            call = place.calls - 1 if place.in_call else None
            yield Piece(choice=place.choice, call=call, text=text)


def parts(script: str) -> list[str]:
    """Return a script cut so that each part has one piece at most, and joined they are the script."""
    return _PARTS.findall(script)


def _marked(place: Place, mark: str) -> Place:
    match mark:
        case "\x1d":
            return Place(choice=place.choice + 1)
        case "\x1e":
            return dataclasses.replace(place, calls=place.calls + 1, in_call=True)
        case "\x1c":
            return dataclasses.replace(place, in_call=False)
        case _:
            return place
