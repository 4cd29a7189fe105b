"""Every contract and its routes: what is described, and what there is to describe."""

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from django.utils.module_loading import import_string

from budgets.described import CONTRACT as BUDGETS
from genie.core.describing import Contract, Operation
from genie.tenants.described import CONTRACT as KEYS
from jobs.mounts import MOUNTS
from webhooks.described import CONTRACT as WEBHOOKS

MANAGEMENT = (WEBHOOKS, KEYS, BUDGETS)  # served by REST framework's views
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


class Undescribed(Exception):
    """A route has no description, or a description no route."""


class Described(NamedTuple):
    """A route with its description."""

    method: str
    path: str
    contract: Contract
    operation: Operation


def mounted() -> Iterator[Described]:
    """Yield every route of the mounts.

    Raises:
        Undescribed: A route has no description, or a description no route.
    """
    for mount in MOUNTS:
        contract: Contract = import_string(mount.described)
        yield from described(contract, _routes(mount.urlconf))


def described(contract: Contract, routes: list[tuple[str, str]]) -> Iterator[Described]:
    """Yield each of these methods and paths with its description.

    What a contract serves under another prefix too is described once.

    Raises:
        Undescribed: The two do not match.
    """
    left = dict(contract.operations)
    for method, path in routes:
        if _is_alias(contract.servers, path, contract.operations, method):
            continue
        operation = left.pop(f"{method} {path}", None)
        if operation is None:
            raise Undescribed(
                f"{method} {path} has no description; write one in the contract {contract.tag}."
            )
        yield Described(method, path, contract, operation)
    if left:
        raise Undescribed(f"{contract.tag} describes routes that there are not: {sorted(left)}.")


def find(method: str, path: str) -> Operation | None:
    """Return the description of a management route, also by the other prefix of its contract."""
    for contract in MANAGEMENT:
        for prefix in ("", *contract.servers):
            found = contract.operations.get(f"{method} {path.removeprefix(prefix)}")
            if found is not None:
                return found
    return None


def _routes(urlconf: str) -> list[tuple[str, str]]:
    patterns = importlib.import_module(urlconf).urlpatterns
    return [
        (method, "/" + _PARAMETER.sub(r"{\1}", str(one.pattern)))
        for one in patterns
        for method in one.callback.methods
    ]


def _is_alias(
    prefixes: tuple[str, ...], path: str, operations: Mapping[str, Operation], method: str
) -> bool:
    return any(
        path.startswith(prefix) and f"{method} {path.removeprefix(prefix)}" in operations
        for prefix in prefixes
    )
