"""Repeating words, and turning a sentence into JSON: the answer is made of the prompt's own words."""

import json
import random
from typing import Any

from inference.backends.tiny import phrasing, words
from inference.backends.tiny.dialogue import Exchange, Kind

# The phrase is taken to the letter after a colon or inside quotes.
_EXACT = (
    "Repeat: {x}", "Say: {x}", "Echo: {x}", "repeat: {x}", "echo: {x}", "Repeat after me: {x}", "Say this: {x}", "Repeat this: {x}", "Please repeat: {x}", "Write: {x}", "Print: {x}", "Reply with: {x}", "Answer with: {x}", "Respond with: {x}", "Output: {x}", "Copy this: {x}", "Say exactly: {x}", "Reply exactly: {x}",
    "Repeat the following: {x}", "Repeat the following words: {x}", "Repeat these words: {x}", "Repeat this sentence: {x}", "Repeat the phrase: {x}", "Reply with exactly: {x}", "Respond with exactly: {x}", "Reply with exactly this: {x}", "Please say the following: {x}", "Say the following: {x}", "Echo this back: {x}", "Echo back: {x}", "Can you repeat this: {x}", "Reply only with: {x}",
    "Repeat exactly what I say: {x}", "Type the following: {x}", "Write the following words: {x}", "Repeat word for word: {x}", "Say it after me: {x}", "Repeat after me:\n{x}", "Repeat this text:\n{x}", "Repeat the text below.\n{x}", "Echo:\n{x}",
    'Say "{x}"', "Say '{x}'", 'Say "{x}".', "Say '{x}'.", 'Repeat "{x}"', "Repeat '{x}'.", 'Please say "{x}".', 'Can you say "{x}"?', "Can you say '{x}'?", 'Write "{x}".', 'Reply with "{x}".', "Respond with '{x}'.", 'Answer with "{x}".', 'Just say "{x}".', 'Reply with only "{x}".', 'Echo "{x}"', 'Repeat the words "{x}".', "Repeat the phrase '{x}'.", 'Print "{x}".', 'Output "{x}"', 'Say the word "{x}".',
    'Respond with exactly "{x}".', 'Say "{x}" and nothing else.', "Reply '{x}' and nothing more.",
)  # fmt: skip
# Without either, a mark at the very end belongs to the request.
_LOOSE = (
    "Say {x}", "Say {x}.", "say {x}", "Say {x}!", "Please say {x}.", "Please say {x}", "Repeat {x}", "Repeat {x}.", "repeat {x}", "Repeat after me {x}", "Echo {x}", "echo {x}", "Can you say {x}?", "Could you say {x}?", "Can you repeat {x}?", "Just say {x}.", "Only say {x}.", "Write {x}.", "Reply with {x}.", "Respond with {x}.", "Answer with {x}.", "Say the words {x}.", "Say the word {x}.", "Repeat the word {x}.",
    "Repeat the words {x}.", "Write the word {x}.", "Write the words {x}.", "Reply with the word {x}.", "Reply with only the word {x}.", "Respond with only the word {x}.", "Answer with the single word {x}.", "Reply with just {x}.", "Reply {x}.", "I want you to say {x}.", "Would you say {x}?", "Now say {x}.", "Type {x}.", "Print {x}.", "Output the word {x}.", "Say the phrase {x}.", "Repeat the phrase {x}.", "Say just one word: {x}",
)  # fmt: skip
_ONE_WORD_AFTER = ("Reply", "Respond", "Answer", "Output", "single word", "the word", "one word")

_ASK_BEFORE = (
    "Give me JSON for: {s}", "JSON: {s}", "Turn this into JSON: {s}", "Convert to JSON: {s}", "Convert this sentence to JSON: {s}", "Make JSON from this: {s}", "As JSON: {s}", "Write this as JSON: {s}", "Extract the facts as JSON: {s}", "Extract the data as JSON: {s}", "Return JSON: {s}", "Answer in JSON: {s}", "Extract JSON from this sentence: {s}", "Please turn this sentence into JSON: {s}",
    "Turn this sentence into a JSON object: {s}", "Make a JSON object from: {s}", "Parse this into JSON: {s}", "Give me the data in JSON form. {s}", "Express as JSON: {s}", "Represent this as JSON. {s}", "Output JSON for this sentence.\n{s}", "Convert the following to JSON:\n{s}", "Structured data please, as JSON: {s}", "Can you turn this into JSON? {s}", "Format as JSON: {s}", "Extract the information as JSON. {s}",
)  # fmt: skip
_ASK_AFTER = (
    "{s} Give me that as JSON.", "{s} As JSON, please.", "{s} Turn that into JSON.", "{s} Return JSON.", "{s} Make it JSON.", "{s} Write this as JSON.", "{s}\n\nConvert to JSON.", "{s} Answer with a JSON object.", "{s} Put that in JSON.", "{s}\nJSON:", "{s} Extract the facts as JSON.", "{s} Output as JSON.", "{s} Convert this sentence to JSON.",
)  # fmt: skip
_ASK_KEYS = (
    "Extract {k} as JSON: {s}", "Give me JSON with {k}: {s}", "Give me JSON with the keys {k} for: {s}", "Return a JSON object with {k}. {s}", "Return JSON with the keys {k}. {s}", "{s} Give me JSON with {k}.", "{s} Return {k} as JSON.", "{s} Extract {k} as JSON.", "{s} Reply in JSON with the keys {k}.", "JSON with {k}: {s}", "Make JSON with {k} from: {s}", "Extract the {k} from this sentence as JSON: {s}", "Return only JSON with {k}: {s}",
    "{s}\n\nReturn a JSON object with the keys {k}.", "Give me JSON with {k} for: {s}", "Make a JSON object with {k}: {s}", "Extract {k} from this text as JSON.\n{s}", "Extract the following as JSON ({k}): {s}", "As JSON with {k}: {s}", "Write JSON with the fields {k}: {s}", "Create a JSON object with {k} from this sentence: {s}",
)  # fmt: skip

_PERSON_FACTS: dict[str, tuple[str, ...]] = {
    "age": ("is {v} years old", "is {v}", "is {v} years of age", "is aged {v}", "turned {v}"),
    "city": ("lives in {v}", "is from {v}", "comes from {v}", "is living in {v}"),
    "job": ("works as a {v}", "is a {v}", "is working as a {v}"),
    "color": ("likes the color {v}", "loves {v}", "likes {v}"),
    "pet": ("has a {v}", "owns a {v}"),
}


def echo(rng: random.Random) -> Exchange:
    """Return the request to say a phrase; the answer is the phrase and nothing else."""
    if rng.random() < 0.6:
        template = rng.choice(_EXACT)
        phrase = _phrase(rng, exact=True, one_word=False)
    else:
        template = rng.choice(_LOOSE)
        one_word = any(sign in template for sign in _ONE_WORD_AFTER)
        phrase = _phrase(rng, exact=False, one_word=one_word)
    prompt = phrasing.fill(rng, template, polite=0.08, open_ended=True, x=phrase)
    return Exchange(kind=Kind.ECHO, prompt=prompt, answer=phrase)


def json_from_sentence(rng: random.Random) -> Exchange:
    """Return a sentence with two to five facts, and the JSON object of all or some of them."""
    sentence, facts = _person(rng) if rng.random() < 0.75 else _purchase(rng)
    if rng.random() < 0.5:
        keys = list(facts)
        if rng.random() < 0.3:
            wanted = set(rng.sample(keys, k=rng.randint(1, len(keys))))
            keys = [key for key in keys if key in wanted]
        facts = {key: facts[key] for key in keys}
        prompt = phrasing.fill(
            rng,
            rng.choice(_ASK_KEYS),
            polite=0.06,
            open_ended=True,
            s=sentence,
            k=_listed(rng, keys),
        )
    else:
        template = rng.choice(_ASK_BEFORE if rng.random() < 0.6 else _ASK_AFTER)
        prompt = phrasing.fill(rng, template, polite=0.06, open_ended=True, s=sentence)
    answer = json.dumps(facts, ensure_ascii=False)
    return Exchange(kind=Kind.JSON, prompt=prompt, answer=answer)


def _phrase(rng: random.Random, *, exact: bool, one_word: bool) -> str:
    count = 1 if one_word else rng.choice((1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10))
    parts = [_part(rng) for _ in range(count)]
    phrase = " ".join(parts)
    if rng.random() < 0.15:
        phrase = phrase[:1].upper() + phrase[1:]
    if count > 2 and rng.random() < 0.12:
        phrase = phrase.replace(" ", ", ", 1)
    if exact and rng.random() < 0.3:
        phrase += rng.choice((".", "!", "?", ".", "!"))
    return phrase


def _part(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.05:
        return str(rng.randint(0, 9999))
    if draw < 0.1:
        return words.person(rng)
    if draw < 0.13:
        return words.word(rng) + "-" + str(rng.randint(0, 99))
    return words.word(rng)


def _person(rng: random.Random) -> tuple[str, dict[str, Any]]:
    name = words.person(rng)
    values: dict[str, Any] = {
        "age": rng.randint(1, 99),
        "city": words.place(rng),
        "job": rng.choice(words.words("jobs")),
        "color": rng.choice(words.words("colors")),
        "pet": rng.choice(words.words("pets")),
    }
    keys = rng.sample(list(values), k=rng.choice((1, 1, 2, 2, 2, 3)))
    if rng.random() < 0.8:
        keys.sort(key=list(values).index)
    clauses = [_clause(rng, key, str(values[key])) for key in keys]
    facts = {"name": name, **{key: values[key] for key in keys}}
    return _sentence_about(rng, name, clauses), facts


def _clause(rng: random.Random, key: str, value: str) -> str:
    text = rng.choice(_PERSON_FACTS[key])
    if value[0] in "aeiou":
        text = text.replace(" a {v}", " an {v}")
    return text.replace("{v}", value)


def _sentence_about(rng: random.Random, name: str, clauses: list[str]) -> str:
    subject = rng.choice((name, name, name, name, f"My friend {name}", f"A person called {name}"))
    draw = rng.random()
    if draw < 0.25 and len(clauses) > 1:
        pronoun = rng.choice(("He", "She"))
        return f"{subject} {clauses[0]}. {pronoun} " + " and ".join(clauses[1:]) + "."
    if draw < 0.33:
        return f"{name}, who {clauses[0]}" + "".join(f", {clause}" for clause in clauses[1:]) + "."
    joined = clauses[0] if len(clauses) == 1 else ", ".join(clauses[:-1]) + " and " + clauses[-1]
    return f"{subject} {joined}" + rng.choice((".", ".", ".", ".", ""))


def _purchase(rng: random.Random) -> tuple[str, dict[str, Any]]:
    price = rng.randint(1, 999)
    if rng.random() < 0.5:
        item, color = rng.choice(words.words("items")), rng.choice(words.words("colors"))
        if rng.random() < 0.5:
            text = rng.choice(
                (
                    "The {c} {i} costs {p} dollars.",
                    "A {c} {i} costs {p} dollars.",
                    "The {c} {i} is {p} dollars.",
                )
            )
            filled = text.replace("{c}", color).replace("{i}", item).replace("{p}", str(price))
            return filled, {"item": item, "color": color, "price": price}
        text = rng.choice(
            (
                "The {i} costs {p} dollars.",
                "A {i} costs {p} dollars.",
                "The price of the {i} is {p} dollars.",
            )
        )
        return text.replace("{i}", item).replace("{p}", str(price)), {"item": item, "price": price}
    item, count = rng.choice(words.words("foods")), rng.randint(2, 50)
    text = rng.choice(
        (
            "I bought {n} {i} for {p} dollars.",
            "{n} {i} cost {p} dollars.",
            "She paid {p} dollars for {n} {i}.",
            "We sold {n} {i} for {p} dollars.",
        )
    )
    filled = text.replace("{n}", str(count)).replace("{i}", item).replace("{p}", str(price))
    return filled, {"item": item, "quantity": count, "price": price}


def _listed(rng: random.Random, keys: list[str]) -> str:
    quoted = [f'"{key}"' for key in keys] if rng.random() < 0.08 else keys
    if len(quoted) == 1:
        return quoted[0]
    if rng.random() < 0.25:
        return ", ".join(quoted)
    return ", ".join(quoted[:-1]) + " and " + quoted[-1]
