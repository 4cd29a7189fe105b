"""The page of errors: the one tree, what each contract makes of it, and why jobs end without a result."""

import importlib
import inspect
import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.test import RequestFactory

from genie.core import errors
from genie.core.errors import GenieError
from inference import errors as inference_errors
from inference.errors import InferenceError
from jobs import mounts
from jobs.states import FailureCode
from tests.reference import markdown, notes
from webhooks.errors import ErrorClass, FetchReason


def page() -> str:
    """Return the page."""
    return markdown.page(
        "Errors",
        "Every refusal has a stable code and an HTTP status. The native envelope is "
        '`{"error": "<sentence>", "code": "<kebab-case>", ...}`; the sentence says what happened and '
        "what to do, the header `X-Request-Id` names the request, and a refusal that goes away by "
        "itself has `Retry-After`. [The API](../api.md#errors) says which fields stand beside them.",
        _refusals(),
        _in_other_words(),
        _failures(),
        _of_the_engine(),
        _of_webhooks(),
    )


def tree() -> list[type[GenieError]]:
    """Return the classes of the one tree that have a code of their own, by status and code."""
    own = [one for one in _below(GenieError) if one.__module__ == errors.__name__]
    coded = [one for one in own[1:] if "code" in vars(one) or one is errors.InternalError]
    return sorted(coded, key=lambda one: (one.http_status, one.code))


def _refusals() -> str:
    rows = [
        [
            str(one.http_status),
            markdown.code(one.code),
            "yes" if one.retryable else "",
            _first_line(one),
        ]
        for one in tree()
    ]
    return "## Refusals\n\n" + markdown.table(["status", "code", "try again", "meaning"], rows)


def _in_other_words() -> str:
    """Return what each contract tells of the same error, by asking its own renderer."""
    contracts = {
        mount.prefixes[0]: _load(mount.render)
        for mount in mounts.MOUNTS
        if mount.render is not None
    }
    rows = [
        [markdown.code(one.code), *(_told(render, path, one) for path, render in contracts.items())]
        for one in tree()
    ]
    head = ["native code", *(markdown.code(path) for path in contracts)]
    return (
        "## In the words of other contracts\n\n"
        "What the same error is called below each prefix: its status, then `type` and `code` of the "
        "contract's envelope, where it has them. (A contract may say a few things in words of its "
        "own: [OpenAI](../api-openai.md), [Bifrost](../api-bifrost.md), [Oxen](../api-oxen.md), "
        "[inference.net](../api-inference-net.md).)\n\n" + markdown.table(head, rows)
    )


def _told(render: Any, path: str, error: type[GenieError]) -> str:
    answer = render(_request(path), _example(error))
    body = json.loads(answer.content)
    inner = body.get("error")
    said = inner if isinstance(inner, dict) else body
    words = [said.get("type"), said.get("code"), body.get("type")]
    named = dict.fromkeys(word for word in words if isinstance(word, str) and word)
    return " ".join([str(answer.status_code), *map(markdown.code, named)])


def _request(path: str) -> HttpRequest:
    return RequestFactory().post(f"{path}chat/completions")


def _example(error: type[GenieError]) -> GenieError:
    """Return an error of this class; those that word themselves are left to it."""
    wanted = inspect.signature(error).parameters
    given: dict[str, Any] = {
        "method": "PUT",
        "allowed": ["POST"],
        "size": 1,
        "message": "What happened.",
    }
    return error(**{name: given[name] for name in wanted if name in given})


def _failures() -> str:
    said = notes.of_fields(FailureCode)
    rows = [[markdown.code(one), markdown.sentence(said[one.name])] for one in FailureCode]
    return (
        "## Why jobs end without a result\n\n"
        "The `code` of a job's `error`, in polls, webhooks and the answer to a caller who waited.\n\n"
        + markdown.table(["code", "meaning"], rows)
    )


def _of_the_engine() -> str:
    rows = [
        [
            markdown.code(one.__name__),
            markdown.code(one.code),
            "yes" if one.retryable else "",
            _first_line(one),
        ]
        for one in _below(InferenceError)
        if one.__module__ == inference_errors.__name__ and one is not InferenceError
    ]
    return (
        "### What a worker meets\n\n"
        "What can be tried again goes back to its queue, alone from its third attempt; the code is "
        "told once it is not.\n\n"
        + markdown.table(["error", "code", "tried again", "meaning"], rows)
    )


def _of_webhooks() -> str:
    attempts, fetches = notes.of_fields(ErrorClass), notes.of_fields(FetchReason)
    return (
        "## Why a webhook did not arrive\n\n"
        "The `error` of an attempt, in the log of deliveries.\n\n"
        + markdown.table(
            ["error", "meaning"],
            [[markdown.code(one), markdown.sentence(attempts[one.name])] for one in ErrorClass],
        )
        + "\n\n### Why an input could not be fetched\n\n"
        "Behind `input-fetch-failed`. The caller is told no more than this.\n\n"
        + markdown.table(
            ["reason", "meaning"],
            [[markdown.code(one), markdown.sentence(fetches[one.name])] for one in FetchReason],
        )
    )


def _below(error: type[Any]) -> Iterator[type[Any]]:
    """Yield a class and those below it, each parent before its children."""
    yield error
    for child in error.__subclasses__():
        yield from _below(child)


def _first_line(cls: type[Any]) -> str:
    return markdown.sentence((inspect.getdoc(cls) or "").split("\n\n")[0].replace("``", "`"))


def _load(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)
