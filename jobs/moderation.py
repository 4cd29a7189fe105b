"""Asks, before an image or a video is admitted, whether its prompt may be made at all.

The setting GENIE_MODERATION names the hook: a function that takes the prompt and returns a sentence
that says why it is refused, or None. It runs on a thread, so it may ask a service; what it raises
refuses nothing silently: the request fails. The default compares with a list of words.
"""

import functools
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

from django.conf import settings
from django.utils.module_loading import import_string

Hook: TypeAlias = Callable[[str], str | None]

_SHIPPED = Path(__file__).with_name("moderation_words.txt")
_REFUSED = "The prompt asks for something that this installation does not make."


def reason_to_refuse(prompt: str) -> str | None:
    """Return why a prompt is refused, or None. May block: call it on a thread."""
    return _hook(settings.GENIE_MODERATION)(prompt)


def refuse_listed_words(prompt: str) -> str | None:
    """Refuse a prompt that has one of the listed words or phrases, however they are written.

    Upper case, accents, signs between words, characters that nobody sees and letters of other widths
    do not hide a word. The answer does not quote the list: it would teach how to get around it.
    """
    path = settings.GENIE_MODERATION_WORDS or str(_SHIPPED)
    return _REFUSED if _pattern(path).search(plain(prompt)) else None


def plain(text: str) -> str:
    """Return the text in lower-case ASCII-like letters, with one space for whatever is no letter.

    >>> plain("Under-Wäter  CAT!")
    'under water cat'
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(one for one in decomposed if not _is_unseen(one))
    return re.sub(r"[\W_]+", " ", letters).strip()


def _is_unseen(character: str) -> bool:
    """Tell whether a character is an accent, or one without width, such as U+200B or a soft hyphen."""
    return bool(unicodedata.combining(character)) or unicodedata.category(character) == "Cf"


@functools.lru_cache(maxsize=4)
def _hook(dotted_name: str) -> Hook:
    return cast(Hook, import_string(dotted_name))


@functools.lru_cache(maxsize=4)
def _pattern(path: str) -> re.Pattern[str]:
    """Return what finds the words of a file: one word or phrase a line, ``#`` before a remark."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    phrases = [words for line in lines if not line.startswith("#") and (words := plain(line))]
    if not phrases:
        return re.compile(r"(?!)")  # an empty list refuses nothing
    longest_first = sorted(phrases, key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, longest_first)) + r")\b")
