"""What OpenAI's routes read from a query string."""

from genie.core import errors
from genie.core.lean import LeanRequest

MOST = 100  # of a page
USUAL = 20


def flag(request: LeanRequest, name: str) -> bool:
    """Return a truth value; absent is false.

    Raises:
        InvalidRequest: It is something else.
    """
    text = request.GET.get(name, "false").lower()
    if text not in ("true", "false"):
        raise errors.InvalidRequest.of(name, "must be true or false")
    return text == "true"


def whole(request: LeanRequest, name: str, *, usual: int) -> int:
    """Return a whole number of at least 0, or ``usual`` where there is none.

    Raises:
        InvalidRequest: It is something else.
    """
    text = request.GET.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise errors.InvalidRequest.of(name, "must be a whole number")
    return int(text)


def limited(request: LeanRequest, *, most: int = MOST, usual: int = USUAL) -> int:
    """Return how many entries a page may have.

    Raises:
        InvalidRequest: ``limit`` is not 1 to ``most``.
    """
    limit = whole(request, "limit", usual=usual)
    if not 1 <= limit <= most:
        raise errors.InvalidRequest.of("limit", f"must be 1 to {most}")
    return limit
