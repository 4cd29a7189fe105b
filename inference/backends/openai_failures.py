"""What callers are told when the server of a model refuses, fails, or answers nonsense.

A server's own message may repeat the prompt, name a path or an address, so none of it is passed on:
callers get our sentence, and the log gets the status and the error's type, code and parameter.
"""

import json
import logging
import re
from typing import Any

from inference.errors import GenerationFailed, InferenceError, InputRejected, ModelLoadFailed
from inference.specs import ModelSpec

logger = logging.getLogger(__name__)

# The server takes the request later; before an answer has begun, asking again costs nobody anything.
BUSY = frozenset({429, 503})

_WORD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_RETRYABLE = frozenset({408, 409, 425, 429})
_FIELDS = frozenset({
    "messages", "max_tokens", "min_tokens", "temperature", "top_p", "stop", "seed",
    "presence_penalty", "frequency_penalty", "tools", "tool_choice", "response_format", "input",
    "dimensions",
})  # fmt: skip


def unreachable(spec: ModelSpec) -> InferenceError:
    """Return what is told where no connection can be made."""
    return GenerationFailed(f"The server of model {spec.id} cannot be reached.")


def broken(spec: ModelSpec) -> InferenceError:
    """Return what is told where the connection ends before the answer does."""
    return GenerationFailed(f"The server of model {spec.id} closed the connection in an answer.")


def nonsense(spec: ModelSpec) -> InferenceError:
    """Return what is told of an answer that is not in OpenAI's shape, or too long to be."""
    return GenerationFailed(f"The server of model {spec.id} gave an answer that cannot be read.")


def late(spec: ModelSpec, *, seconds: float, has_begun: bool) -> InferenceError:
    """Return what is told where the server is silent for too long."""
    what = "was silent" if has_begun else "did not begin to answer"
    return GenerationFailed(f"The server of model {spec.id} {what} for {seconds:g} s.")


def overdue(spec: ModelSpec, *, seconds: float) -> InferenceError:
    """Return what is told where a whole answer takes too long."""
    return GenerationFailed(f"The server of model {spec.id} did not finish within {seconds:g} s.")


def of_status(spec: ModelSpec, status: int, body: bytes) -> InferenceError:
    """Return what a status other than 200 means, and log what an operator needs to know."""
    error = _error_in(body)
    words = {key: _word(error.get(key)) for key in ("type", "code", "param")}
    logger.warning("model %s: its server answered HTTP %d %s", spec.id, status, words)
    server = f"The server of model {spec.id}"
    if status in {401, 403}:
        return ModelLoadFailed(f"{server} refuses the key of this worker (HTTP {status}).")
    if status == 404:
        return ModelLoadFailed(f"{server} does not have the model (HTTP 404).")
    if 300 <= status < 400:
        return GenerationFailed(f"{server} answered with a redirect, and none is followed.")
    if status == 429:
        return GenerationFailed(f"{server} takes no more requests at the moment.")
    if 400 <= status < 500 and status not in _RETRYABLE:
        return _rejected(server, status, words)
    return GenerationFailed(f"{server} failed (HTTP {status}).")


def of_event(spec: ModelSpec, error: Any) -> InferenceError:
    """Return what an error in the middle of a stream means."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, int) and 400 <= code < 600:
        return of_status(spec, code, json.dumps({"error": error}).encode())
    logger.warning("model %s: its server reported an error in an answer", spec.id)
    return GenerationFailed(f"The server of model {spec.id} failed in the middle of an answer.")


def _rejected(server: str, status: int, words: dict[str, str]) -> InputRejected:
    if _TOO_LONG & {words["code"], words["type"]}:
        return InputRejected(
            f"{server} has no room for the prompt and max_tokens together.", field="messages"
        )
    field = re.split(r"[.\[]", words["param"])[0]
    field = field if field in _FIELDS else "messages"
    code = words["code"] or words["type"]
    why = f"HTTP {status}, {code}" if code and not code.isdigit() else f"HTTP {status}"
    return InputRejected(f"{server} does not accept this request ({why}).", field=field)


def _error_in(body: bytes) -> dict[str, Any]:
    """Return the error of a body in OpenAI's shape, or of one that is an error itself."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = found.get("error", found) if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}


def _word(value: Any) -> str:
    """Return a value that is one plain word, else nothing: anything longer may be a prompt's."""
    return str(value) if _WORD.fullmatch(str(value or "")) else ""
