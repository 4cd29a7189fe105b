"""Cuts a text into pieces that are spoken one by one, in characters that a voice knows.

Knows no torch.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Container, Iterator

# Typographer's marks, by number so that none is mistaken for its plain neighbour.
_QUOTES = "\u2018\u2019\u201c\u201d"
_DASHES = "\u2013\u2014"
_FULL_STOPS = "\u3002\uff01\uff1f"  # of Chinese and Japanese, with no space behind them
# A sentence with its marks and quotes, up to the space behind it; a line; or what is left.
_SENTENCE = re.compile(
    rf".+?(?:[.!?\u2026]+[\"')\]{_QUOTES}]*(?=\s)|[{_FULL_STOPS}]|\n|$)\s*", re.DOTALL
)
_PAUSES = re.compile(rf"[,;:{_DASHES}]\s|\s")
_LOOKALIKES = str.maketrans(_QUOTES + _DASHES, "''\"\"--")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A piece of a text that is spoken in one go."""

    text: str  # as it is spoken
    end: int  # characters of the whole text up to here


def utterances(text: str, *, known: Container[str] | None, most: int) -> list[Utterance]:
    """Return the pieces of a text; none where there is nothing to speak.

    Args:
        text: as it was sent.
        known: the characters of the voice; None: it takes any.
        most: characters of a piece; longer sentences are cut at a comma or a space.
    """
    found = []
    for start, end in _pieces(text, most):
        spoken = text[start:end].strip() if known is None else speakable(text[start:end], known)
        if any(character.isalnum() for character in spoken):
            found.append(Utterance(text=spoken, end=end))
    return found


def speakable(text: str, known: Container[str]) -> str:
    """Return a text in known characters: in lower case, without accents, or left out.

    >>> speakable("Crème  BRÛLÉE — “3”!", frozenset("abcdefghijklmnopqrstuvwxyz -"))
    'creme brulee -'
    """
    spoken = "".join(_spoken(character, known) for character in text)
    return re.sub(r"\s+", " ", spoken).strip()


def _spoken(character: str, known: Container[str]) -> str:
    plain = character.translate(_LOOKALIKES)
    for candidate in (character, plain, plain.lower(), plain.upper()):
        if candidate in known:
            return candidate
    if character.isspace():
        return " "
    bare = unicodedata.normalize("NFKD", plain.lower())
    return "".join(part for part in bare if part in known)


def _pieces(text: str, most: int) -> Iterator[tuple[int, int]]:
    for sentence in _SENTENCE.finditer(text):
        start, end = sentence.span()
        while end - start > most:
            cut = _cut(text, start, start + most)
            yield start, cut
            start = cut
        yield start, end


def _cut(text: str, start: int, end: int) -> int:
    """Return where to cut: behind the last pause, or else where it must be."""
    pauses = [found.end() for found in _PAUSES.finditer(text, start, end)]
    return pauses[-1] if pauses else end
