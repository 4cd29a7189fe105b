"""What a job's work costs: the price that it was submitted at, in the ledger's arithmetic.

Note [A job keeps its rates]
    A job's row has the rates of its model as they were when it was submitted: its estimate is made
    of them, and so is its charge, whichever process ends it and whatever the models file says by
    then. So a price that changes between the two moves nothing, a charge stays within its hold, and
    processes with different models files (an upgrade, one machine after another) agree on a bill. A
    parked job keeps them too: its caller was answered with that price.

First count what a request may use or has used, in the words of its modality (``tokens``,
``images``, ``video``, ``transcription``, ``speech``); then ``estimate`` or ``charge`` it. Every
count is of whole parts, so that nothing is rounded before the end.
"""

import json
import math
from collections.abc import Mapping
from typing import TypeAlias

from budgets import money, pricing
from genie.core import errors
from inference.errors import UnknownModel
from inference.specs import Price, Unit
from inference.types import Usage
from jobs import registry
from jobs.states import JobKind

# How many parts of each unit; a unit has ``Unit.parts`` of them.
Quantities: TypeAlias = Mapping[Unit, int]

_VERSION_CHARS = 40  # of the column
# Of a job without rates, whose model the models file no longer has.
_UNPRICED = Price(version="none", rates=dict.fromkeys(Unit, 0))


def kept(version: str, rates_json: str | None, *, model: str) -> Price:
    """Return the price that a job's row keeps; see Note [A job keeps its rates].

    ``rates_json`` is the column's text. A row that is older than it has none, and then the model
    costs what it costs today.
    """
    if rates_json is None:
        return of_model(model)
    rates: dict[str, int] = json.loads(rates_json)
    return Price(version=version, rates={unit: rates[unit] for unit in Unit if unit in rates})


def of_model(model_id: str) -> Price:
    """Return today's price of a resolved model id; zero for one that this process does not know."""
    try:
        return registry.models().get(model_id).price
    except UnknownModel:
        return _UNPRICED


def reduced(price: Price, *, percent: int) -> Price:
    """Return the price of the same work at so many percent, each rate rounded up.

    Its version says so: a bill shows which rates it was made of.
    """
    if percent == 100:
        return price
    rates = {unit: -(-rate * percent // 100) for unit, rate in price.rates.items()}
    mark = f"@{percent}%"
    return Price(version=price.version[: _VERSION_CHARS - len(mark)] + mark, rates=rates)


def of_delivered(price: Price, *, completion_tokens: int, estimate_microcredits: int) -> int:
    """Return what tokens cost that reached a caller before the worker was lost; within the hold."""
    if not completion_tokens:
        return 0
    cost = charge(price, tokens(prompt=0, completion=completion_tokens))
    return min(cost, estimate_microcredits)


# What media work of each kind is counted in: a usage's parts are parts of this unit.
MEDIA_UNITS: Mapping[JobKind, Unit] = {
    JobKind.IMAGE: Unit.MEGAPIXEL_STEP,
    JobKind.VIDEO: Unit.MEGAPIXEL_SECOND,
    JobKind.TRANSITION: Unit.MEGAPIXEL_SECOND,
    JobKind.TRANSCRIPTION: Unit.MINUTE,
    JobKind.SPEECH: Unit.THOUSAND_CHARACTERS,
}


def used(kind: JobKind, usage: Usage) -> Quantities:
    """Return what the work done by a job of this kind is counted as."""
    if (unit := MEDIA_UNITS.get(kind)) is not None:
        return {unit: _product(usage.parts)}
    return tokens(prompt=usage.prompt_tokens, completion=usage.completion_tokens)


def tokens(*, prompt: int, completion: int) -> Quantities:
    """Return the parts of a chat, of embeddings or of scores: tokens."""
    return {Unit.PROMPT: _product(prompt), Unit.COMPLETION: _product(completion)}


def images(*, count: int, width: int, height: int, steps: int) -> Quantities:
    """Return the parts of images: pixels of every image, each taken through every step."""
    return {Unit.MEGAPIXEL_STEP: _product(count, width, height, steps)}


def video(*, duration_ms: int, width: int, height: int) -> Quantities:
    """Return the parts of a video: pixels of a frame, for every millisecond shown."""
    return {Unit.MEGAPIXEL_SECOND: _product(duration_ms, width, height)}


def transcription(*, duration_ms: int) -> Quantities:
    """Return the parts of audio that is listened to: milliseconds."""
    return {Unit.MINUTE: _product(duration_ms)}


def speech(*, characters: int) -> Quantities:
    """Return the parts of text that is spoken: characters."""
    return {Unit.THOUSAND_CHARACTERS: _product(characters)}


def estimate(price: Price, quantities: Quantities) -> int:
    """Return the micro-credits to hold for the most that a request may use.

    Raises:
        InvalidRequest: It is more than can be held.
        ValueError: The price has no rate for one of the units.
    """
    most = pricing.estimate(_lines(price, quantities))
    if most > money.MAX_MICROCREDITS:
        bound = money.to_text(money.MAX_MICROCREDITS)
        raise errors.InvalidRequest.of(
            "",
            f"The request could cost {money.to_text(most)} credits; one request may cost {bound} "
            "at most. Ask for less at once.",
        )
    return most


def charge(price: Price, quantities: Quantities) -> int:
    """Return the micro-credits that work done costs.

    Raises:
        ValueError: The price has no rate for one of the units.
    """
    return pricing.charge(_lines(price, quantities))


def _lines(price: Price, quantities: Quantities) -> list[pricing.Line]:
    unpriced = quantities.keys() - price.rates.keys()
    if unpriced:  # never free by accident
        raise ValueError(f"Price {price.version} has no rate for {', '.join(sorted(unpriced))}.")
    return [
        pricing.Line(parts, price.rates[unit], unit.parts) for unit, parts in quantities.items()
    ]


def _product(*factors: int) -> int:
    """Return the product; each factor is checked, since two negative ones would make a positive."""
    if min(factors) < 0:
        raise ValueError(f"{factors}: a quantity is not negative.")
    return math.prod(factors)
