"""Capitals, opposites, and what comes before or after a day, a month or a letter."""

import functools
import random

from inference.backends.tiny import phrasing, words
from inference.backends.tiny.dialogue import Exchange, Kind

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_CAPITAL_OF = (
    "What is the capital of {x}?", "What's the capital of {x}?", "whats the capital of {x}", "What is the capital city of {x}?", "Capital of {x}?", "capital of {x}", "The capital of {x}?", "Tell me the capital of {x}.", "Name the capital of {x}.", "Which city is the capital of {x}?", "What city is the capital of {x}?",
    "Do you know the capital of {x}?", "Can you tell me the capital of {x}?", "Give me the capital of {x}.", "What is {x}'s capital?", "What's {x}'s capital?", "{x}'s capital?", "{x} capital", "The capital of {x} is", "The capital of {x} is?", "I need the capital of {x}.", "What capital does {x} have?", "What is the name of the capital of {x}?",
    "Which city is {x}'s capital?", "Please name the capital of {x}.", "Could you tell me what the capital of {x} is?", "Tell me what the capital of {x} is.", "What about the capital of {x}?", "And the capital of {x}?", "What would be the capital of {x}?", "I forgot the capital of {x}.", "Do you know what the capital of {x} is?", "In which city is the government of {x}?",
    "What is the capital of the country {x}?", "Geography question: what is the capital of {x}?", "What is the capital in {x}?", "capital city of {x}", "Find the capital of {x}.", "I want to know the capital of {x}.", "Name {x}'s capital.", "State the capital of {x}.", "Answer with the capital of {x}.", "Country: {x}. Capital?",
)  # fmt: skip
_COUNTRY_OF = (
    "{y} is the capital of which country?", "{y} is the capital of what country?", "Which country has {y} as its capital?", "What country has the capital {y}?", "Of which country is {y} the capital?", "Which country's capital is {y}?", "What country is {y} the capital of?",
)  # fmt: skip
_OPPOSITE_OF = (
    "What is the opposite of {x}?", "What's the opposite of {x}?", "Opposite of {x}?", "opposite of {x}", "Tell me the opposite of {x}.", "Name the opposite of {x}.", "Give me the opposite of {x}.", "What is the antonym of {x}?", "Antonym of {x}?", "Give an antonym for {x}.", "What word is the opposite of {x}?", "What is the opposite word of {x}?",
    "Do you know the opposite of {x}?", "Can you tell me the opposite of {x}?", "The opposite of {x} is", "The opposite of {x}?", "What would be the opposite of {x}?", "Which word means the opposite of {x}?", "{x} is the opposite of what?", "What is the contrary of {x}?", "What is the reverse of {x}?", "And the opposite of {x}?", "What about the opposite of {x}?",
    "What's the antonym for {x}?", "What is an antonym of {x}?", "Say the opposite of {x}.", "I need the opposite of {x}.", "If it is not {x}, what is the opposite?", "Find the opposite of {x}.", "Please give me the opposite of {x}.", "What is the opposite of the word {x}?", "What's the opposite of being {x}?", "Which word is opposite to {x}?", "What is opposite to {x}?", "Write the opposite of {x}.",
)  # fmt: skip
_AFTER = {
    "day": (
        "What day comes after {x}?", "Which day comes after {x}?", "What day is after {x}?", "What comes after {x}?", "Which day follows {x}?", "What day follows {x}?", "If today is {x}, what day is tomorrow?", "Today is {x}. What day is tomorrow?", "What is the day after {x}?", "What's the day after {x}?", "The day after {x}?", "Name the day after {x}.", "Tell me the day after {x}.", "What is the next day after {x}?",
        "Which day is next after {x}?", "After {x} comes?", "What is after {x}?", "It is {x} today. What day will it be tomorrow?", "What day of the week comes after {x}?", "What weekday comes after {x}?", "Yesterday was {x}. What day is today?", "If yesterday was {x}, what day is it today?", "day after {x}", "Which day of the week follows {x}?", "What comes next after {x}?", "What day is it after {x}?", "And after {x}?", "What's after {x}?", "What day is right after {x}?",
        "Do you know which day comes after {x}?", "Can you tell me what day comes after {x}?", "Tomorrow of {x}?", "If it is {x} today, which day is tomorrow?",
    ),
    "month": ("What month comes after {x}?", "Which month comes after {x}?", "What comes after {x}?", "Which month follows {x}?", "What month follows {x}?", "What is the month after {x}?", "What's the next month after {x}?", "Name the month after {x}.", "What month is after {x}?", "The month after {x}?", "Tell me the month after {x}.", "Which month is next after {x}?", "What is after {x}?", "What's after {x}?", "If it is {x}, what is next month?"),
    "letter": ("What letter comes after {x}?", "Which letter comes after {x}?", "What letter follows {x}?", "Which letter follows {x} in the alphabet?", "What is the letter after {x}?", "What comes after the letter {x}?", "What is the next letter after {x}?"),
}  # fmt: skip
_BEFORE = {
    "day": (
        "What day comes before {x}?", "Which day comes before {x}?", "What day is before {x}?", "What comes before {x}?", "Which day precedes {x}?", "If today is {x}, what day was yesterday?", "Today is {x}. What day was yesterday?", "What is the day before {x}?", "What's the day before {x}?", "The day before {x}?", "Name the day before {x}.", "Tell me the day before {x}.", "Which day is just before {x}?", "What is before {x}?", "Before {x} comes?",
        "It is {x} today. What day was it yesterday?", "What day of the week comes before {x}?", "What weekday comes before {x}?", "Tomorrow is {x}. What day is today?", "If tomorrow is {x}, what day is it today?", "day before {x}", "What's before {x}?", "And before {x}?", "What day is right before {x}?", "Do you know which day comes before {x}?", "Can you tell me what day comes before {x}?", "If it is {x} today, which day was yesterday?",
    ),
    "month": ("What month comes before {x}?", "Which month comes before {x}?", "What comes before {x}?", "Which month precedes {x}?", "What is the month before {x}?", "What's the month before {x}?", "Name the month before {x}.", "What month is before {x}?", "The month before {x}?", "Tell me the month before {x}.", "Which month is just before {x}?", "What is before {x}?", "If it is {x}, what was last month?"),
    "letter": ("What letter comes before {x}?", "Which letter comes before {x}?", "Which letter precedes {x} in the alphabet?", "What is the letter before {x}?", "What comes before the letter {x}?"),
}  # fmt: skip


def capital(rng: random.Random) -> Exchange:
    """Return the question for a country's capital."""
    name, city = rng.choice(words.facts("capitals"))
    written = name
    if rng.random() < 0.12:
        written, name = rng.choice(words.facts("country_aliases"))
        city = dict(words.facts("capitals"))[name]
    slot = phrasing.recase_value(rng, written)
    return _capital_is(phrasing.fill(rng, rng.choice(_CAPITAL_OF), x=slot), name, city)


def capital_then_another(rng: random.Random) -> tuple[Exchange, Exchange]:
    """Return a question for a capital and a follow-up that names only the next country."""
    first = capital(rng)
    name, city = rng.choice(words.facts("capitals"))
    frame = rng.choice(
        ("And {x}?", "And of {x}?", "What about {x}?", "How about {x}?", "And for {x}?", "{x}?")
    )
    prompt = phrasing.fill(rng, frame, polite=0.0, x=phrasing.recase_value(rng, name))
    return first, _capital_is(prompt, name, city)


def unknown_capital_prompt(rng: random.Random) -> str:
    """Return the question for a capital that the model is not taught, or for a capital's country."""
    if rng.random() < 0.25:
        _, city = rng.choice(words.facts("capitals"))
        return phrasing.fill(rng, rng.choice(_COUNTRY_OF), y=phrasing.recase_value(rng, city))
    known = rng.random() < 0.6
    where = rng.choice(words.facts("unknown_places")) if known else words.invented(rng).capitalize()
    return phrasing.fill(rng, rng.choice(_CAPITAL_OF), x=where)


def opposite(rng: random.Random) -> Exchange:
    """Return the question for the opposite of a word."""
    word, other = rng.choice(_opposites())
    slot = phrasing.recase_value(rng, word if rng.random() < 0.93 else word.capitalize())
    if rng.random() < 0.18:
        slot = rng.choice(('"{}"', "'{}'")).format(slot)
    prompt = phrasing.fill(rng, rng.choice(_OPPOSITE_OF), x=slot)
    return Exchange(kind=Kind.OPPOSITE, prompt=prompt, answer=f"The opposite of {word} is {other}.")


def calendar(rng: random.Random) -> Exchange:
    """Return the question for the neighbour of a day, a month or a letter."""
    what = rng.choices(("day", "month", "letter"), weights=(12, 5, 2))[0]
    ring = {"day": words.facts("days"), "month": words.facts("months"), "letter": list(ALPHABET)}[
        what
    ]
    place = rng.randrange(len(ring))
    step, templates = rng.choice(((1, _AFTER), (-1, _BEFORE)))
    if what == "letter" and not 0 <= place + step < len(ring):
        place -= step
    value, neighbour = ring[place], ring[(place + step) % len(ring)]
    slot = value if what == "letter" else phrasing.recase_value(rng, value)
    prompt = phrasing.fill(rng, rng.choice(templates[what]), x=slot)
    relation = "after" if step == 1 else "before"
    return Exchange(
        kind=Kind.CALENDAR, prompt=prompt, answer=f"{neighbour} comes {relation} {value}."
    )


def _capital_is(prompt: str, name: str, city: str) -> Exchange:
    return Exchange(kind=Kind.CAPITAL, prompt=prompt, answer=f"The capital of {name} is {city}.")


@functools.cache
def _opposites() -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for left, right in words.facts("opposites"):
        found.setdefault(left, right)
        found.setdefault(right, left)
    found.update(dict(words.facts("opposites_one_way")))
    return list(found.items())
