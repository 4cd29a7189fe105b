"""From an answer to a typed value. Pure."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from genie.client.errors import UnexpectedAnswer
from genie.client.exchanges import Answer
from genie.client.types import Result

R = TypeVar("R", bound=Result)


def result(kind: type[R], answer: Answer, fields: Mapping[str, Any] | None = None) -> R:
    """Return an answer, or these fields of it, as a value with what its headers say.

    Raises:
        UnexpectedAnswer: It is none of this kind.
    """
    told: dict[str, Any] = {"request_id": answer.request_id}
    if "x-genie-job-id" in answer.headers:
        told["job_id"] = answer.headers["x-genie-job-id"]
    if "x-genie-budget-remaining" in answer.headers:
        told["budget_remaining"] = answer.headers["x-genie-budget-remaining"]
    try:
        return kind.model_validate(dict(answer.fields() if fields is None else fields) | told)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnexpectedAnswer(
            f"The answer is no {kind.__name__} ({where}: {first['msg']}, request {answer.request_id})."
        ) from None
