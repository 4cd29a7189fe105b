"""Generates pairs of texts that mean the same, for the embedding model."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from inference.backends.tiny import split, words

_SUBJECT_VERB_OBJECT = (
    "The {a} {s} {v} the {o}.", "A {s} that is {a} {v} a {o}.", "the {a} {s} {v} a {o}", "Look, the {a} {s} {v} the {o}!", "There is a {a} {s} and it {v} the {o}.", "It is the {o} that the {a} {s} {v}.",
)  # fmt: skip
_DROPPED = frozenset({"the", "a", "an", "is", "are", "of", "to", "in", "and", "that", "please", "me", "my", "do", "i"})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two texts of one meaning."""

    left: str
    right: str


def training_pairs(count: int, *, seed: int) -> Iterator[Pair]:
    """Yield pairs neither text of which is held out."""
    rng = random.Random(f"pairs:{seed}")  # noqa: S311 - reproducible data, not a secret
    made = 0
    while made < count:
        pair = _pair(rng)
        if not (split.is_held_out(pair.left) or split.is_held_out(pair.right)):
            made += 1
            yield pair


def held_out_pairs(count: int, *, seed: int) -> Iterator[Pair]:
    """Yield pairs whose first text is held out."""
    rng = random.Random(f"held-out pairs:{seed}")  # noqa: S311 - reproducible data, not a secret
    made = 0
    while made < count:
        pair = _pair(rng)
        if split.is_held_out(pair.left):
            made += 1
            yield pair


def _pair(rng: random.Random) -> Pair:
    make = rng.choices((_same_intent, _same_event, _same_words), weights=(5, 4, 3))[0]
    while True:
        left, right = make(rng)
        if left != right:
            return Pair(left=_typed(rng, left), right=_typed(rng, right))


def _same_intent(rng: random.Random) -> tuple[str, str]:
    groups: dict[str, list[str]] = words.table("paraphrases")["groups"]
    left, right = rng.sample(groups[rng.choice(list(groups))], k=2)
    first, second = _synonyms(rng, "synonyms", known=0.4)
    return left.replace("{x}", first), right.replace("{x}", second)


def _same_event(rng: random.Random) -> tuple[str, str]:
    subject = _synonyms(rng, "synonyms", known=0.75)
    verb = _synonyms(rng, "verb_synonyms", known=1.0)
    thing = _synonyms(rng, "synonyms", known=0.75)
    quality = _synonyms(rng, "adjective_synonyms", known=1.0)
    sides = [
        rng.choice(_SUBJECT_VERB_OBJECT)
        .replace("{s}", subject[side])
        .replace("{v}", verb[side])
        .replace("{o}", thing[side])
        .replace("{a}", quality[side])
        for side in (0, 1)
    ]
    return sides[0], sides[1]


def _same_words(rng: random.Random) -> tuple[str, str]:
    """Any words at all, thinned and moved: what texts share must count, known or not."""
    chosen = [words.word(rng) for _ in range(rng.randint(3, 14))]
    kept = [word for word in chosen if word.lower() not in _DROPPED] or chosen
    if len(kept) > 3:
        kept.pop(rng.randrange(len(kept)))
    if rng.random() < 0.4:
        rng.shuffle(kept)
    else:
        kept.insert(rng.randint(0, len(kept)), words.word(rng))
    return " ".join(chosen), " ".join(kept)


def _synonyms(rng: random.Random, key: str, *, known: float) -> tuple[str, str]:
    if rng.random() < known:
        group: list[str] = rng.choice(words.table("paraphrases")[key])
        return rng.choice(group), rng.choice(group)
    pool = rng.choice(("nouns", "items", "foods", "animals", "cities", "names", "jobs"))
    word = rng.choice(words.words(pool)) if rng.random() < 0.6 else words.invented(rng)
    return word, word


def _typed(rng: random.Random, text: str) -> str:
    draw = rng.random()
    if draw < 0.2:
        return text.rstrip(".?!")
    return text.lower() if draw < 0.35 else text
