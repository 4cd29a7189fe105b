"""What is told of an answer beside its text: its script, and where in it each token is complete.

The worker tells it while the answer is made, and the row's body tells it again: so whoever resumes
a stream that only the row remembers gets the same events. Pure.
"""

import bisect
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inference import scripts
from inference.types import ChatResult, ChoicesResult, Likelihood, TokenLogprob, ToolCall


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token's log-probability as it is told, and where in the script the token ends."""

    end: int
    body: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All that was told of an answer."""

    script: str = ""
    has_marks: bool = False
    tokens: Sequence[Token] | None = None  # where log-probabilities were asked for

    def logprobs_between(self, start: int, end: int) -> list[Mapping[str, Any]] | None:
        """Return what is told of the tokens that become complete in a part of the script."""
        if self.tokens is None:
            return None
        first, behind = (
            bisect.bisect_right(self.tokens, place, key=lambda token: token.end)
            for place in (start, end)
        )
        return [token.body for token in self.tokens[first:behind]]


def of_body(body: Mapping[str, Any]) -> Told:
    """Return what a completed chat's body tells."""
    choices = [_choice(one) for one in body["choices"]]
    script = scripts.of(choices)
    asked = any("logprobs" in one for one in body["choices"])
    return Told(
        script=script,
        has_marks=len(choices) > 1 or any(calls for _, calls in choices),
        tokens=list(_tokens(body["choices"], choices)) if asked else None,
    )


def choices_of(result: ChatResult | ChoicesResult) -> tuple[ChatResult, ...]:
    """Return the answers of a result."""
    return (result,) if isinstance(result, ChatResult) else result.choices


def script_of(result: ChatResult | ChoicesResult) -> str:
    """Return the script of what an engine has made."""
    return scripts.of((one.text, one.tool_calls) for one in choices_of(result))


def token_of(token: TokenLogprob) -> Token:
    """Return a token as it is told."""
    return Token(end=token.end, body=logprob_body(token))


def logprob_body(token: TokenLogprob) -> dict[str, Any]:
    """Return a token's log-probability as OpenAI shows it."""
    return {**_likelihood(token.chosen), "top_logprobs": [_likelihood(one) for one in token.top]}


def _likelihood(found: Likelihood) -> dict[str, Any]:
    return {"token": found.token, "logprob": found.logprob, "bytes": list(found.raw)}


def _choice(told: Mapping[str, Any]) -> tuple[str, list[ToolCall]]:
    message = told["message"]
    return message.get("content") or "", [_call_of(one) for one in message.get("tool_calls", ())]


def _call_of(told: Mapping[str, Any]) -> ToolCall:
    function = told["function"]
    return ToolCall(name=function["name"], arguments=function["arguments"])


def _tokens(
    told: Sequence[Mapping[str, Any]], choices: Sequence[tuple[str, list[ToolCall]]]
) -> Iterator[Token]:
    base = 0
    for one, (text, calls) in zip(told, choices, strict=True):
        bodies = (one.get("logprobs") or {}).get("content") or []
        for end, body in zip(_ends(text, bodies), bodies, strict=True):
            yield Token(end=base + end, body=body)
        base += len(scripts.of([(text, calls)])) + len(scripts.CHOICE)


def _ends(text: str, tokens: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    """Yield how many characters of a text are complete with each token, as it was when it came.

    A token that ends inside a character counts with it.
    """
    data = text.encode()
    taken = 0
    for token in tokens:
        taken = min(taken + len(token["bytes"] or b""), len(data))
        whole = data[:taken].decode(errors="ignore")
        yield len(whole) + (len(whole.encode()) < taken)
