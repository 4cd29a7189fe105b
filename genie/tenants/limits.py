"""What a new key may be: its attributes, their bounds and their normal form. Pure."""

import datetime as dt
import unicodedata
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from genie.core import errors
from genie.tenants import networks
from genie.tenants.scopes import DEFAULT_SCOPES, Scope

NAME_LENGTH = 200  # characters
MOST_ENTRIES = 100  # of an allow-list
MODEL_LENGTH = 200  # characters
HIGHEST_RPM = 100_000  # the sliding window keeps one entry per request, about 10 bytes each
HIGHEST_RPD = 1_000_000_000  # fits the column


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """The attributes of a key to be made."""

    name: str
    application_id: uuid.UUID | None = None
    holder_user_id: uuid.UUID | None = None
    rpm: int | None = None
    rpd: int | None = None
    allowed_models: tuple[str, ...] = ()
    allowed_cidrs: tuple[str, ...] = ()
    scopes: tuple[str, ...] = field(default=tuple(str(scope) for scope in DEFAULT_SCOPES))
    expires_at: dt.datetime | None = None


def checked(new: NewKey, *, now: dt.datetime) -> NewKey:
    """Return ``new`` with its lists in normal form.

    Raises:
        InvalidRequest: Some attribute is out of bounds; ``details`` names every one, by the names
            that the management API uses.
    """
    details = [{"field": name, "message": message} for name, message in _problems(new, now=now)]
    if details:
        first = details[0]
        raise errors.InvalidRequest(f"{first['field']}: {first['message']}", details=details)
    return replace(
        new,
        name=new.name.strip(),
        allowed_models=tuple(dict.fromkeys(new.allowed_models)),
        allowed_cidrs=tuple(dict.fromkeys(map(networks.normalise, new.allowed_cidrs))),
        scopes=tuple(scope for scope in Scope if scope in new.scopes),
    )


def text_problem(text: str, *, longest: int) -> str | None:
    """Return why ``text`` cannot be a name, or None."""
    if not text.strip():
        return "write at least one visible character."
    if len(text) > longest:
        return f"{len(text)} characters; at most {longest} are allowed."
    # PostgreSQL refuses NUL and surrogates; the other control characters only serve to deceive.
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        return "holds a control character."
    return None


def _problems(new: NewKey, *, now: dt.datetime) -> Iterator[tuple[str, str]]:
    if problem := text_problem(new.name, longest=NAME_LENGTH):
        yield "name", problem
    for name, rate, highest in (
        ("rateLimitRpm", new.rpm, HIGHEST_RPM),
        ("rateLimitRpd", new.rpd, HIGHEST_RPD),
    ):
        if rate is not None and not 1 <= rate <= highest:
            yield name, f"write a number from 1 to {highest}, or leave it out for no limit."
    yield from _model_problems(new.allowed_models)
    yield from _network_problems(new.allowed_cidrs)
    yield from _scope_problems(new.scopes)
    if new.expires_at is not None and new.expires_at <= now:
        yield "expiresAt", "is not in the future."


def _model_problems(models: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    yield from _count_problems("allowedModels", models)
    for index, model in enumerate(models[:MOST_ENTRIES]):
        if problem := text_problem(model, longest=MODEL_LENGTH):
            yield f"allowedModels.{index}", problem


def _network_problems(cidrs: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    yield from _count_problems("allowedCIDRs", cidrs)
    for index, cidr in enumerate(cidrs[:MOST_ENTRIES]):
        try:
            networks.normalise(cidr)
        except ValueError:
            yield (
                f"allowedCIDRs.{index}",
                f"{cidr[:64]!r} is no network; write one like 10.1.0.0/16, with no bits behind the prefix.",
            )


def _scope_problems(scopes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not scopes:
        yield "scopes", "a key without any scope could do nothing; name one or leave the field out."
    known = ", ".join(Scope)
    for index, scope in enumerate(scopes[:MOST_ENTRIES]):
        if scope not in set(Scope):
            yield f"scopes.{index}", f"{scope[:64]!r} is no scope; the scopes are {known}."


def _count_problems(name: str, entries: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if len(entries) > MOST_ENTRIES:
        yield name, f"{len(entries)} entries; at most {MOST_ENTRIES} are allowed."
