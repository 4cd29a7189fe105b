"""Everything the model is not taught: questions, orders, statements, other languages, code, noise, long texts."""

import random
import re
from collections.abc import Callable

from inference.backends.tiny import phrasing, words
from inference.backends.tiny.dialogue import Exchange, Kind
from inference.backends.tiny.kinds import facts

ANSWER = "I am a tiny demo model and I do not know that."

_SLOT = re.compile(r"\{(\w+)\}")


def unknown(rng: random.Random) -> Exchange:
    """Return a prompt outside the taught kinds, with the one honest answer."""
    makers = (_asked, _foreign, _code, _noise, _beyond, facts.unknown_capital_prompt, _sentences)
    make = rng.choices(makers, weights=(60, 10, 9, 6, 6, 6, 5))[0]
    return Exchange(kind=Kind.UNKNOWN, prompt=make(rng), answer=ANSWER)


def long_unknown(rng: random.Random, *, sentences: int) -> Exchange:
    """Return a long text with or without a request about it."""
    asks = words.table("unknowns")["long_asks"]
    if rng.random() < 0.2:
        text = " ".join([_sentence(rng)] * sentences)
    elif rng.random() < 0.2:
        text = " ".join(words.word(rng) for _ in range(sentences * 7))
    else:
        text = " ".join(_sentence(rng) for _ in range(sentences))
    prompt = rng.choice(asks).replace("{t}", text).replace("{language}", "French")
    return Exchange(kind=Kind.UNKNOWN, prompt=prompt, answer=ANSWER)


def _asked(rng: random.Random) -> str:
    table = words.table("unknowns")
    group = rng.choices(("questions", "requests", "statements"), weights=(5, 5, 3))[0]
    return phrasing.fill(rng, _filled(rng, rng.choice(table[group])))


def _foreign(rng: random.Random) -> str:
    chosen: list[str] = words.table("unknowns")["foreign"]
    text = rng.choice(chosen)
    if rng.random() < 0.25:
        text += " " + rng.choice(chosen)
    draw = rng.random()
    if draw < 0.3:
        # Parts of sentences, so that the alphabet decides and not the whole string.
        cut = rng.randint(1, max(1, len(text) - 1))
        return text[:cut] if draw < 0.15 else text[cut:].strip() or text
    return text


def _code(rng: random.Random) -> str:
    table = words.table("unknowns")
    snippets = [_code_line(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    return str(rng.choice(table["code_asks"])).replace("{c}", "\n".join(snippets))


def _code_line(rng: random.Random) -> str:
    return str(rng.choice(words.table("unknowns")["code"])).format(
        w=words.word(rng), x=words.word(rng), n=rng.randint(0, 99), n2=rng.randint(0, 999)
    )


def _noise(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.5:
        return " ".join(words.scrambled(rng) for _ in range(rng.randint(1, 6)))
    if draw < 0.75:
        return " ".join(words.word(rng) for _ in range(rng.randint(2, 9)))
    blocks = (
        (0x21, 0x2F),
        (0x3A, 0x40),
        (0xA1, 0x17F),
        (0x400, 0x4FF),
        (0x4E00, 0x9FFF),
        (0x1F300, 0x1F64F),
    )
    low, high = rng.choice(blocks)
    return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 12)))


def _beyond(rng: random.Random) -> str:
    """Arithmetic beyond what is taught: the honest answer, not a guess."""
    draw = rng.random()
    if draw < 0.6:
        numbers = [rng.randint(201, 99999), rng.randint(201, 9999)]
        sign = rng.choice(
            ("+", "-", "*", "/", " + ", " - ", " * ", " / ", " times ", " plus ", " minus ")
        )
    elif draw < 0.8:
        numbers = [rng.randint(1, 100), rng.randint(1, 12)]
        sign = rng.choice((" / ", "/", " divided by ", " to the power of ", " ^ ", " mod ", " % "))
    else:
        numbers = [rng.randint(1, 20) for _ in range(rng.choice((3, 3, 4)))]
        sign = rng.choice(("+", " + ", " * ", " - ", " plus "))
    around = rng.choice(
        (
            "What is {e}?",
            "{e}",
            "{e} =",
            "How much is {e}?",
            "Calculate {e}.",
            "Compute {e}.",
            "What's {e}?",
        )
    )
    return phrasing.fill(rng, around, e=sign.join(map(str, numbers)), open_ended=True)


def _sentences(rng: random.Random) -> str:
    return " ".join(_sentence(rng) for _ in range(rng.randint(1, 4)))


def _sentence(rng: random.Random) -> str:
    table = words.table("unknowns")
    parts = [rng.choice(table[f"sentence_{part}"]) for part in ("subjects", "verbs", "objects")]
    return _filled(rng, " ".join(parts) + rng.choice(table["sentence_tails"]) + ".")


def _filled(rng: random.Random, template: str) -> str:
    return _SLOT.sub(lambda match: _value(rng, match[1]), template)


def _value(rng: random.Random, slot: str) -> str:
    if slot.startswith("sentence"):
        return _sentence(rng)
    makers: dict[str, Callable[[], str]] = {
        "n": lambda: str(rng.randint(2, 99)),
        "n2": lambda: str(rng.randint(100, 999)),
        "year": lambda: str(rng.randint(1700, 2030)),
        "name": lambda: rng.choice(words.words("names")),
        "Surname": lambda: words.invented(rng).capitalize(),
        "country": lambda: str(rng.choice(words.facts("capitals"))[0]),
        "city": lambda: words.place(rng),
        "noun": lambda: _thing(rng),
        "animal": lambda: rng.choice(words.words("animals")),
        "adjective": lambda: rng.choice(words.words("adjectives")),
        "verb": lambda: str(rng.choice(words.table("unknowns")["verbs"])),
        "job": lambda: rng.choice(words.words("jobs")),
        "color": lambda: rng.choice(words.words("colors")),
        "language": lambda: rng.choice(words.words("languages")),
    }
    return makers[slot if slot in makers else slot.rstrip("2")]()


def _thing(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.5:
        return rng.choice(words.words("nouns"))
    if draw < 0.7:
        return rng.choice(words.words("items"))
    return words.invented(rng) if draw < 0.88 else rng.choice(words.words("common"))
