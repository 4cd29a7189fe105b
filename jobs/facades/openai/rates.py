"""The headers of a key's rate under OpenAI's names, beside the native ones: its clients back off by them."""

from django.http import HttpResponseBase

# Requests only: a key has no limit of tokens. What it may spend is its budgets' question.
_NAMES = {
    "X-RateLimit-Limit": "x-ratelimit-limit-requests",
    "X-RateLimit-Remaining": "x-ratelimit-remaining-requests",
}


def add(response: HttpResponseBase) -> None:
    """Say in OpenAI's words what an answer says of its key's rate, if it does."""
    for native, name in _NAMES.items():
        if native in response.headers:
            response.headers[name] = response.headers[native]
    if (reset := response.headers.get("X-RateLimit-Reset")) is not None:
        response.headers["x-ratelimit-reset-requests"] = _duration(int(reset))


def _duration(seconds: int) -> str:
    """Return seconds as OpenAI writes them.

    >>> _duration(5), _duration(65), _duration(7325)
    ('5s', '1m5s', '2h2m5s')
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{text}{rest}s"
