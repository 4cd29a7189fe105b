"""What is told of an answer beside its text: its script, and where in it each token is complete.

The worker tells it while the answer is made, and the row's body tells it again: so whoever resumes
a stream that only the row remembers gets the same events. Pure.
"""

import bisect
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from inference import scripts
from inference.types import ChatResult, ChoicesResult, Likelihood, TokenLogprob, ToolCall


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token's log-probability as it is told, and where in the script the token ends."""

    end: int
    body: Mapping[str, Any]  # OpenAI's of a chat; of a text completion it has its offset too


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
    asked = any(one.get("logprobs") is not None for one in body["choices"])
    return Told(
        script=script,
        has_marks=len(choices) > 1 or any(calls for _, calls in choices),
        tokens=list(_tokens(body["choices"], choices)) if asked else None,
    )


def of_response(body: Mapping[str, Any]) -> Told:
    """Return what a completed response's body tells: its text, and behind it its calls.

    >>> of_response({"output": [{"type": "message", "content": [{"text": "hi"}]}]}).script
    'hi'
    """
    texts: list[str] = []
    calls: list[ToolCall] = []
    for item in body["output"]:
        if item["type"] == "message":
            texts += [part["text"] for part in item["content"]]
        elif item["type"] == "function_call":
            calls.append(ToolCall(name=item["name"], arguments=item["arguments"]))
    return Told(script=scripts.of([("".join(texts), calls)]), has_marks=bool(calls))


def choices_of(result: ChatResult | ChoicesResult) -> tuple[ChatResult, ...]:
    """Return the answers of a result."""
    return (result,) if isinstance(result, ChatResult) else result.choices


def script_of(result: ChatResult | ChoicesResult) -> str:
    """Return the script of what an engine has made."""
    return scripts.of((one.text, one.tool_calls) for one in choices_of(result))


def token_of(token: TokenLogprob, *, with_offset: bool) -> Token:
    """Return a token as it is told; text completions tell where in the text it stands."""
    body = logprob_body(token)
    return Token(end=token.end, body=body | {"offset": token.offset} if with_offset else body)


def legacy_logprobs(tokens: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the log-probabilities of a text completion in OpenAI's shape for them."""
    told = list(tokens)
    return {
        "tokens": [one["token"] for one in told],
        "token_logprobs": [one["logprob"] for one in told],
        "top_logprobs": [
            {other["token"]: other["logprob"] for other in one["top_logprobs"]} for one in told
        ],
        "text_offset": [one["offset"] for one in told],
    }


def logprob_body(token: TokenLogprob) -> dict[str, Any]:
    """Return a token's log-probability as OpenAI shows it."""
    return {**_likelihood(token.chosen), "top_logprobs": [_likelihood(one) for one in token.top]}


def _likelihood(found: Likelihood) -> dict[str, Any]:
    return {"token": found.token, "logprob": found.logprob, "bytes": list(found.raw)}


def _choice(told: Mapping[str, Any]) -> tuple[str, list[ToolCall]]:
    if "text" in told:
        return told["text"], []
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
        logprobs = one.get("logprobs") or {}
        placed = _legacy(text, logprobs) if "tokens" in logprobs else _placed(text, logprobs)
        yield from (Token(end=base + end, body=body) for end, body in placed)
        base += len(scripts.of([(text, calls)])) + len(scripts.CHOICE)


def _placed(text: str, logprobs: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield how many characters of a chat's text are complete with each token, and its body.

    A token that ends inside a character counts with it, as when it came.
    """
    data = text.encode()
    taken = 0
    for token in logprobs.get("content") or []:
        taken = min(taken + len(token["bytes"]), len(data))
        whole = data[:taken].decode(errors="ignore")
        yield len(whole) + (len(whole.encode()) < taken), token


def _legacy(text: str, logprobs: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the same of a text completion; tokens of one character have one offset."""
    offsets = logprobs["text_offset"]
    told = zip(
        logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True
    )
    for (token, logprob, top), offset in zip(told, offsets, strict=True):
        behind = bisect.bisect_right(offsets, offset)
        body = {
            "token": token,
            "logprob": logprob,
            "top_logprobs": [{"token": name, "logprob": value} for name, value in top.items()],
            "offset": offset,
        }
        yield offsets[behind] if behind < len(offsets) else len(text), body
