"""Varies how a prompt is written: case, punctuation, politeness. What it means stays the same."""

import random
import re

_SLOT = re.compile(r"\{(\w+)\}")
_OPENERS = (
    "Please ", "please ", "Hey, ", "Hi, ", "Hello! ", "Hello, ", "Hi! ", "OK, ", "So, ", "Now ", "Genie, ", "Tell me, ",
    "Quick question: ", "Question: ", "Hi Genie, ", "Hey Genie, ", "Good morning. ", "Hmm, ", "Well, ", "Alright, ", "And ", "Thanks! ",
    "I have a question. ", "One more: ", "Next: ", "Hello Genie. ", "Thank you. ", "Great. ", "Sorry, ", "Just ",
)  # fmt: skip
_CLOSERS = (", please", " please", " Thanks!", " Thank you.", " Thanks.", " :)", " thanks", "  ")


def fill(
    rng: random.Random,
    template: str,
    *,
    polite: float = 0.15,
    open_ended: bool = False,
    **slots: str,
) -> str:
    """Return a template filled in and restyled; the slots' values are kept to the letter.

    Args:
        rng: the source of every choice.
        template: text with `{slot}` marks.
        polite: how often an opener or a closer is added.
        open_ended: True when the answer repeats the end of the prompt, which must then stay as is.
        slots: the values, never restyled, since an answer may have to repeat them.
    """
    text = _recase(rng, template)
    if not open_ended:
        text = _repunctuate(rng, text)
    if rng.random() < polite:
        text = _be_polite(rng, text, at_end=not open_ended)
    return _SLOT.sub(lambda match: slots[match[1]], text)


def recase_value(rng: random.Random, value: str) -> str:
    """Return a value as a hurried writer types it, for answers that do not copy it."""
    return value.lower() if rng.random() < 0.2 else value


def _recase(rng: random.Random, template: str) -> str:
    if rng.random() < 0.75:
        return template
    parts = re.split(r"(\{\w+\})", template)
    return "".join(part if part.startswith("{") else part.lower() for part in parts)


def _repunctuate(rng: random.Random, text: str) -> str:
    if not text.endswith((".", "?", "!")):
        return text + rng.choice(("", "", "", ".", "?"))
    draw = rng.random()
    if draw < 0.66:
        return text
    body, mark = text[:-1], text[-1]
    if draw < 0.9:
        return body
    return body + rng.choice((f" {mark}", mark * 2, ".", "!", f"{mark} "))


def _be_polite(rng: random.Random, text: str, *, at_end: bool) -> str:
    # Nothing may follow a bare value: it would read as a part of it.
    if at_end and not text.endswith("}") and rng.random() < 0.4:
        closer = rng.choice(_CLOSERS)
        if closer.startswith(","):
            return text.rstrip(".?!") + closer + rng.choice(("", ".", "?"))
        return text + closer
    opener = rng.choice(_OPENERS)
    if opener.endswith((". ", "! ", ": ")) or text.startswith(("{", "I ", "I'")):
        return opener + text
    return opener + text[:1].lower() + text[1:]
