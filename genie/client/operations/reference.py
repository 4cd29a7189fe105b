"""What can be looked up: models, usage, budgets, files, the keys of webhook signatures."""

from collections.abc import Mapping
from typing import Any

from genie.client.accounts import Budgets, ModelInfo, UsageReport
from genie.client.config import Config
from genie.client.errors import UnexpectedAnswer
from genie.client.exchanges import Answer, Call, Exchange, sent
from genie.client.operations import reading
from genie.client.retrying import Repeat
from genie.client.types import Result


class _Models(Result):
    data: list[ModelInfo]


def models(config: Config, /) -> Exchange[list[ModelInfo]]:
    """Return the models that this key may use."""
    answer = yield from _get(config, "/v1/models")
    return reading.result(_Models, answer).data


def usage(
    config: Config,
    /,
    *,
    group_by: str = "day",
    first: str | None = None,
    last: str | None = None,
    **filters: str,
) -> Exchange[UsageReport]:
    """Return jobs, tokens and cost of the organization.

    Args:
        config: The client's.
        group_by: One or more of ``day``, ``model``, ``application``, ``member``, with commas.
        first: The first UTC day, such as ``2026-11-01``; 30 days ago if None.
        last: The last UTC day.
        filters: ``model``, ``application`` or ``member``.
    """
    wanted = {"group_by": group_by, "from": first, "to": last, **filters}
    query = {name: value for name, value in wanted.items() if value is not None}
    answer = yield from _get(config, "/v1/usage", query)
    return reading.result(UsageReport, answer)


def budgets(config: Config, /) -> Exchange[Budgets]:
    """Return every cap that binds the caller, with what is spent, held and left, in credits."""
    answer = yield from _get(config, "/v1/budgets/effective")
    return reading.result(Budgets, answer)


def download(config: Config, /, url: str) -> Exchange[bytes]:
    """Return a file that a job has made, by its address. The key is not sent along.

    Raises:
        NotFound: There is no such file, or no longer.
    """
    answer = yield from file(config, url)
    return answer.content


def file(config: Config, /, url: str) -> Exchange[Answer]:
    """Return the answer with a file; an address without a host is one of the same server."""
    whole = url if "://" in url else config.base_url + url
    if not whole.startswith(("http://", "https://")):
        raise UnexpectedAnswer(f"{url!r} is no address of a file.")
    return (yield from sent(config, Call(method="GET", path=whole, repeat=Repeat.SAFE)))


def webhook_keys(config: Config, /) -> Exchange[dict[str, Any]]:
    """Return the public keys of webhook signatures, as ``webhooks.verify`` takes them."""
    answer = yield from _get(config, "/.well-known/genie-webhooks.json")
    return answer.fields()


def _get(config: Config, /, path: str, query: Mapping[str, str] | None = None) -> Exchange[Answer]:
    call = Call(method="GET", path=path, query=query or {}, repeat=Repeat.SAFE)
    return (yield from sent(config, call))
