"""Loads the word lists and draws words from them."""

import functools
import random
import tomllib
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


@functools.cache
def table(name: str) -> dict[str, Any]:
    """Return one of the TOML files beside this module, parsed."""
    return tomllib.loads((_HERE / f"{name}.toml").read_text(encoding="utf-8"))


def words(key: str) -> list[str]:
    """Return one list of `[words]`."""
    found: list[str] = table("wordlists")["words"][key]
    return found


def facts(key: str) -> list[Any]:
    """Return one list of `[facts]`."""
    found: list[Any] = table("wordlists")["facts"][key]
    return found


def invented(rng: random.Random, *, longest: int = 3) -> str:
    """Return a made-up word, so that copying cannot rest on a known list."""
    count = rng.randint(1, longest)
    return "".join(rng.choice(words("syllables")) for _ in range(count)) + rng.choice(
        words("endings")
    )


def scrambled(rng: random.Random, *, longest: int = 8) -> str:
    """Return random letters, some of them digits: the hardest thing to copy."""
    letters = "abcdefghijklmnopqrstuvwxyz" + "0123456789" * rng.randint(0, 1)
    return "".join(rng.choice(letters) for _ in range(rng.randint(2, longest)))


def person(rng: random.Random) -> str:
    """Return a first name, often one that no list holds."""
    draw = rng.random()
    if draw < 0.5:
        return rng.choice(words("names"))
    if draw < 0.58:
        return rng.choice(words("names")).lower()
    if draw < 0.94:
        return invented(rng).capitalize()
    if draw < 0.97:
        return f"{rng.choice(words('names'))} {invented(rng).capitalize()}"
    return scrambled(rng).capitalize()


def word(rng: random.Random) -> str:
    """Return any word: common, a noun, a colour, made up, or scrambled; mostly in lower case."""
    draw = rng.random()
    if draw < 0.4:
        chosen = rng.choice(words("common"))
    elif draw < 0.7:
        chosen = rng.choice(words(rng.choice(("nouns", "colors", "foods", "items", "animals"))))
    elif draw < 0.95:
        chosen = invented(rng)
    else:
        chosen = scrambled(rng)
    case = rng.random()
    if case < 0.04:
        return chosen.upper()
    return chosen.capitalize() if case < 0.16 else chosen


def place(rng: random.Random) -> str:
    """Return a city, sometimes a made-up one."""
    return rng.choice(words("cities")) if rng.random() < 0.6 else invented(rng).capitalize()
