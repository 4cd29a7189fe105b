"""Composes dialogues out of exchanges, for training and for held-out evaluation."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping

from inference.backends.tiny import split, words
from inference.backends.tiny.dialogue import Dialogue, Exchange, Kind, Message
from inference.backends.tiny.kinds import (
    arithmetic,
    copying,
    facts,
    listing,
    smalltalk,
    tools,
    unknown,
)

# Shares of the exchanges in training: what is hard to learn comes more often.
WEIGHTS: Mapping[Kind, int] = {
    Kind.GREETING: 11,
    Kind.NAME: 10,
    Kind.ARITHMETIC: 28,
    Kind.CAPITAL: 16,
    Kind.OPPOSITE: 12,
    Kind.CALENDAR: 13,
    Kind.ECHO: 15,
    Kind.JSON: 25,
    Kind.LISTING: 12,
    Kind.TOOLS: 22,
    Kind.UNKNOWN: 23,
}
_LONG_CONVERSATION = 0.008
_DRILL = 0.04
_LONG_TEXT = 0.012
_LONGEST_TEXT = 0.03  # of the long texts
_SYSTEM_PROMPT = 0.2
_USELESS_TOOLS = 0.02
_IN_VAIN = 5_000  # draws without a new held-out prompt until there is taken to be no more

# What only repetition teaches; many to a dialogue, since the shortest exchanges teach most per token.
_DRILLED = (Kind.ARITHMETIC, Kind.CALENDAR, Kind.CAPITAL, Kind.OPPOSITE)
_DRILL_WEIGHTS = (12, 4, 3, 2)

Maker = Callable[[random.Random], Exchange]
_MAKERS: Mapping[Kind, Maker] = {
    Kind.GREETING: smalltalk.greeting,
    Kind.ARITHMETIC: arithmetic.arithmetic,
    Kind.CAPITAL: facts.capital,
    Kind.OPPOSITE: facts.opposite,
    Kind.CALENDAR: facts.calendar,
    Kind.ECHO: copying.echo,
    Kind.JSON: copying.json_from_sentence,
    Kind.LISTING: listing.listing,
    Kind.UNKNOWN: unknown.unknown,
}


def training_dialogues(count: int, *, seed: int) -> Iterator[Dialogue]:
    """Yield dialogues none of whose prompts is held out."""
    rng = random.Random(f"train:{seed}")  # noqa: S311 - reproducible data, not a secret
    made = 0
    while made < count:
        dialogue = _dialogue(rng)
        if not any(split.is_held_out(prompt) for prompt in dialogue.prompts):
            made += 1
            yield dialogue


def held_out_dialogues(kind: Kind, count: int, *, seed: int) -> Iterator[Dialogue]:
    """Yield up to `count` dialogues whose last prompt is held out, each different, and asks for `kind`.

    Some kinds have few prompts: it ends when no new one has come up for a while.
    """
    rng = random.Random(f"held-out:{kind}:{seed}")  # noqa: S311 - reproducible data, not a secret
    seen: set[str] = set()
    in_vain = 0
    while len(seen) < count and in_vain < _IN_VAIN:
        dialogue = _of_kind(rng, kind)
        prompt = dialogue.prompts[-1]
        in_vain += 1
        if prompt not in seen and split.is_held_out(prompt):
            seen.add(prompt)
            in_vain = 0
            yield dialogue


def _dialogue(rng: random.Random) -> Dialogue:
    draw = rng.random()
    if draw < _LONG_TEXT:
        return _with_long_text(rng)
    if draw < _LONG_TEXT + _LONG_CONVERSATION:
        return _conversation(rng, turns=rng.randint(8, 30), last=_any_kind(rng))
    if draw < _LONG_TEXT + _LONG_CONVERSATION + _DRILL:
        return _drill(rng)
    return _of_kind(rng, _any_kind(rng))


def _drill(rng: random.Random) -> Dialogue:
    kinds = rng.choices(_DRILLED, weights=_DRILL_WEIGHTS, k=rng.randint(8, 24))
    exchanges = [_MAKERS[kind](rng) for kind in kinds]
    return Dialogue(kind=kinds[-1], messages=_messages(exchanges))


def _any_kind(rng: random.Random) -> Kind:
    return rng.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]


def _of_kind(rng: random.Random, kind: Kind) -> Dialogue:
    if kind is Kind.TOOLS:
        return _with_system(rng, tools.tools(rng))
    return _conversation(rng, turns=rng.choice((1, 1, 1, 1, 1, 2, 2, 3)), last=kind)


def _conversation(rng: random.Random, *, turns: int, last: Kind) -> Dialogue:
    kinds = [_any_kind(rng) for _ in range(turns - 1)] + [last]
    name: str | None = None
    messages: list[Message] = []
    for kind in kinds:
        exchanges, name = _exchanges(rng, kind if kind is not Kind.TOOLS else Kind.ECHO, name)
        messages += _messages(exchanges)
    offered = tools.offered_tools(rng) if rng.random() < _USELESS_TOOLS else ()
    return _with_system(rng, Dialogue(kind=last, messages=tuple(messages), tools=offered))


def _messages(exchanges: Iterable[Exchange]) -> tuple[Message, ...]:
    return tuple(
        message
        for exchange in exchanges
        for message in (
            {"role": "user", "content": exchange.prompt},
            {"role": "assistant", "content": exchange.answer},
        )
    )


def _exchanges(
    rng: random.Random, kind: Kind, name: str | None
) -> tuple[tuple[Exchange, ...], str | None]:
    if kind is Kind.NAME:
        return _about_names(rng, name)
    if kind is Kind.CAPITAL and rng.random() < 0.12:
        return facts.capital_then_another(rng), name
    return (_MAKERS[kind](rng),), name


def _about_names(rng: random.Random, name: str | None) -> tuple[tuple[Exchange, ...], str | None]:
    draw = rng.random()
    if draw < 0.12:
        exchange = smalltalk.tell_and_ask_name(rng)
        return (exchange,), exchange.answer.removeprefix("Your name is ").removesuffix(".")
    if name is not None and draw < 0.75:
        return (smalltalk.ask_name(rng, name),), name
    if draw < 0.24:
        return (smalltalk.ask_name(rng, name),), name
    told = words.person(rng)
    first = smalltalk.tell_name(rng, told)
    if draw < 0.55:
        return (first,), told
    between = tuple(
        _MAKERS[rng.choice(list(_MAKERS))](rng) for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))
    )
    return (first, *between, smalltalk.ask_name(rng, told)), told


def _with_long_text(rng: random.Random) -> Dialogue:
    longest = 170 if rng.random() < _LONGEST_TEXT else 45
    exchange = unknown.long_unknown(rng, sentences=rng.randint(4, longest))
    exchanges = [exchange]
    if rng.random() < 0.5:
        exchanges.append(_MAKERS[rng.choice(list(_MAKERS))](rng))
    return _with_system(rng, Dialogue(kind=exchanges[-1].kind, messages=_messages(exchanges)))


def _with_system(rng: random.Random, dialogue: Dialogue) -> Dialogue:
    if rng.random() >= _SYSTEM_PROMPT:
        return dialogue
    prompts: list[str] = words.table("systems")["prompts"]
    text = rng.choice(prompts)
    if rng.random() < 0.2:
        text += " " + rng.choice(prompts)
    system: Message = {"role": "system", "content": text}
    return Dialogue(kind=dialogue.kind, messages=(system, *dialogue.messages), tools=dialogue.tools)
