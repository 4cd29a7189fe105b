"""Longer answers: counting, lists that everyone knows, a short story. They give a stream something to show."""

import random
from collections.abc import Sequence

from inference.backends.tiny import phrasing, words
from inference.backends.tiny.dialogue import Exchange, Kind
from inference.backends.tiny.kinds import facts

LARGEST_COUNT = 100
# How far a count goes, and how often: the long ones cost hundreds of tokens each.
_SPANS = ((2, 12), (12, 25), (25, 60), (LARGEST_COUNT, LARGEST_COUNT))
_SPAN_WEIGHTS = (76, 19, 3, 2)

_COUNT = (
    "Count from {a} to {b}.", "Count from {a} to {b}", "Count {a} to {b}.", "Can you count from {a} to {b}?", "Please count from {a} up to {b}.", "List the numbers from {a} to {b}.", "Write the numbers from {a} to {b}.", "Say the numbers from {a} to {b}.", "Numbers from {a} to {b}, please.", "Print the numbers {a} to {b}.", "Count up from {a} to {b}.", "Give me the numbers from {a} to {b}.", "List all numbers from {a} to {b}.", "Count from {a} until {b}.",
    "Start at {a} and count to {b}.", "List numbers {a} to {b}.", "List the numbers between {a} and {b}.", "List all the numbers from {a} to {b}, separated by commas.",
)  # fmt: skip
_COUNT_FROM_ONE = (
    "Count to {b}.",
    "Count up to {b}.",
    "Can you count to {b}?",
    "Please count to {b}.",
    "count to {b}",
    "Could you count to {b} for me?",
    "List the first {b} numbers.",
    "I want you to count to {b}.",
)
_COUNT_DOWN = (
    "Count down from {b} to {a}.",
    "Count backwards from {b} to {a}.",
    "Count from {b} down to {a}.",
    "Please count down from {b} to {a}.",
)
_COUNT_DOWN_TO_ONE = (
    "Count down from {b}.",
    "Count backwards from {b}.",
    "Can you count down from {b}?",
    "Start a countdown from {b}.",
)
_STORY = (
    "Tell me a story about a {x}.", "Tell a story about a {x}.", "Write a story about a {x}.", "Write a short story about a {x}.", "Tell me a short story about a {x}.", "Can you tell me a story about a {x}?", "I want a story about a {x}.", "Give me a story about a {x}.", "A story about a {x}, please.", "Make up a story about a {x}.", "Story about a {x}", "Please tell me a story about the {x}.", "Write me a little story about a {x}.", "Invent a story about a {x}.",
    "Tell us a story with a {x}.", "Could you write a story about a {x}?", "Tell me a bedtime story about a {x}.", "Let me hear a story about a {x}.", "Tell me a tale about a {x}.", "Write a tale about a {x}.",
)  # fmt: skip
_ANY_STORY = ("Tell me a story.", "Tell me a short story.", "Write a story.", "Write a short story.", "Can you tell me a story?", "I want to hear a story.", "Tell a story.", "Story please", "Give me a story.", "Tell me a bedtime story.", "Write me a story.", "Please tell us a story.", "Make up a story.", "A story, please!", "Tell me any story.", "Tell me something nice, a story maybe.", "Could you tell a short story?")  # fmt: skip
_POEM = ("Write a poem about {x}.", "Write a short poem about {x}.", "Tell me a poem about {x}.", "Give me a poem about {x}.", "Can you write a poem about {x}?", "Write a haiku about {x}.", "A poem about {x}, please.", "Compose a poem about {x}.", "Write me a poem about {x}.", "Make a poem about {x}.")  # fmt: skip
_JOKE = "Why did the robot cross the road? Because it was told to."
_FIXED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday", ("List the days of the week.", "What are the days of the week?", "Name the days of the week.", "Tell me the days of the week.", "Which days are in a week?", "List the weekdays.", "List all days of the week.", "Can you list the days of the week?", "Days of the week", "Say the days of the week.", "Give me the days of the week.", "Name all seven days.", "What days are there in a week?", "Write the days of the week.", "List the seven days of the week in order.")),
    ("January, February, March, April, May, June, July, August, September, October, November, December", ("List the months.", "List the months of the year.", "What are the months of the year?", "Name the months.", "Name the months of the year.", "Tell me the months of the year.", "Which months are in a year?", "Can you list the months?", "Months of the year", "Say the months of the year.", "Give me the months of the year.", "Name all twelve months.", "List all months.", "What are the twelve months?", "List the months in order.")),
    (", ".join(facts.ALPHABET), ("Say the alphabet.", "Recite the alphabet.", "What is the alphabet?", "List the letters of the alphabet.", "Tell me the alphabet.", "Write the alphabet.", "Can you say the alphabet?", "Name all the letters.", "Give me the alphabet.", "The alphabet, please.", "List the alphabet.", "Say your ABC.", "What are the letters of the alphabet?", "Print the alphabet.", "Do you know the alphabet?")),
    ("spring, summer, autumn, winter", ("List the seasons.", "What are the seasons?", "Name the seasons.", "Name the four seasons.", "What are the four seasons?", "Tell me the seasons of the year.", "List the four seasons.", "Which seasons are there?")),
    ("red, orange, yellow, green, blue, indigo, violet", ("List the colors of the rainbow.", "What are the colors of the rainbow?", "Name the colors of the rainbow.", "Which colors are in the rainbow?", "Tell me the colours of the rainbow.", "What are the rainbow colors?", "List the rainbow colours.")),
    ("Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus, Neptune", ("List the planets.", "What are the planets?", "Name the planets.", "Name all the planets of the solar system.", "What are the planets in the solar system?", "Tell me the planets.", "List the planets of our solar system.", "Which planets are there?")),
    ("Africa, Antarctica, Asia, Australia, Europe, North America, South America", ("List the continents.", "What are the continents?", "Name the continents.", "Name the seven continents.", "What are the seven continents?", "Tell me the continents.", "Which continents are there?")),
    ("A week has 7 days.", ("How many days are in a week?", "How many days does a week have?", "How many days are there in a week?")),
    ("A year has 12 months.", ("How many months are in a year?", "How many months does a year have?", "How many months are there in a year?")),
    (_JOKE, ("Tell me a joke.", "Tell a joke.", "Do you know a joke?", "Can you tell me a joke?", "Make me laugh.", "Say something funny.", "Give me a joke.", "I want to hear a joke.", "Joke please", "Tell me something funny.", "Tell me another joke.", "Do you know any jokes?")),
)  # fmt: skip


def listing(rng: random.Random) -> Exchange:
    """Return the request for a list, a count, a story or a poem."""
    make = rng.choices((_count, _story, _poem, _fixed), weights=(45, 22, 8, 34))[0]
    prompt, answer = make(rng)
    return Exchange(kind=Kind.LISTING, prompt=prompt, answer=answer)


def _count(rng: random.Random) -> tuple[str, str]:
    first = 1 if rng.random() < 0.6 else rng.randint(0, 60)
    last = min(LARGEST_COUNT, first + _span(rng))
    numbers = list(range(first, last + 1))
    templates: Sequence[str]
    if rng.random() < 0.25:
        numbers.reverse()
        templates = _COUNT_DOWN_TO_ONE if first == 1 and rng.random() < 0.6 else _COUNT_DOWN
    else:
        templates = _COUNT_FROM_ONE if first == 1 and rng.random() < 0.5 else _COUNT
    prompt = phrasing.fill(rng, rng.choice(templates), a=str(first), b=str(last))
    return prompt, ", ".join(map(str, numbers))


def _span(rng: random.Random) -> int:
    shortest, longest = rng.choices(_SPANS, weights=_SPAN_WEIGHTS)[0]
    return rng.randint(shortest, longest)


def _story(rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.3:
        return phrasing.fill(rng, rng.choice(_ANY_STORY)), _story_of("fox")
    topic = rng.choice(words.words("animals"))
    draw = rng.random()
    if draw < 0.3:
        topic = f"{rng.choice(words.words('adjectives'))} {topic}"
    elif draw < 0.5:
        topic = rng.choice(words.words("nouns"))
    elif draw < 0.62:
        topic = words.invented(rng)
    template = rng.choice(_STORY)
    if topic[0] in "aeiou":
        template = template.replace(" a {x}", " an {x}")
    return phrasing.fill(rng, template, x=topic), _story_of(topic)


def _story_of(topic: str) -> str:
    return (
        f"Once upon a time there was a little {topic}. Every morning the {topic} went to the river to "
        f"watch the sun come up. One day a bird was lost and could not find its nest. The {topic} knew "
        f"the way, and they walked over the hills together. From then on the {topic} had a friend. "
        "The end."
    )


def _poem(rng: random.Random) -> tuple[str, str]:
    topic = (
        rng.choice(words.words(rng.choice(("nouns", "animals"))))
        if rng.random() < 0.8
        else words.invented(rng)
    )
    spoken = rng.choice(("", "", "the ", "a "))
    answer = (
        f"I saw the {topic} in morning light,\nI saw the {topic} again at night.\n"
        f"The world is wide, the sky is blue,\nand here I made this poem for you."
    )
    return phrasing.fill(rng, rng.choice(_POEM), x=spoken + topic), answer


def _fixed(rng: random.Random) -> tuple[str, str]:
    answer, prompts = rng.choices(_FIXED, weights=(4, 4, 4, 2, 2, 2, 2, 1, 1, 3))[0]
    return phrasing.fill(rng, rng.choice(prompts)), answer
