"""The routes of all wire contracts together: none is claimed twice, and none is documented in vain."""

import asyncio
import importlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory
from django.urls import Resolver404, resolve

from genie.core.errors import MethodNotAllowed
from jobs.mounts import MOUNTS, Mount

DOCS = sorted((Path(__file__).resolve().parents[2] / "docs").glob("api*.md"))
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_DOCUMENTED = re.compile(
    rf"\b((?:{'|'.join(METHODS)})(?:, (?:{'|'.join(METHODS)}))*) (/[A-Za-z0-9_/{{}}.:-]+)"
)
_PARAMETER = re.compile(r"<[^>]+>|\{[^}]+\}")


def routes_of(mount: Mount) -> list[tuple[str, Any]]:
    """Return the paths of a mount, each with an x for its parameters, and their views."""
    patterns = importlib.import_module(mount.urlconf).urlpatterns
    return [("/" + _PARAMETER.sub("x", str(one.pattern)), one.callback) for one in patterns]


def methods_of(view: Any, path: str) -> set[str]:
    """Return what a lean view says that it allows."""
    with pytest.raises(MethodNotAllowed) as refused:
        asyncio.run(view(RequestFactory().generic("TRACE", path)))
    return set(refused.value.headers["Allow"].split(", "))


def mount_of(path: str) -> Mount | None:
    """Return the mount that answers a path: the one with the longest prefix."""
    candidates = [
        (len(prefix), mount)
        for mount in MOUNTS
        for prefix in mount.prefixes
        if path.startswith(prefix)
    ]
    return max(candidates, key=lambda one: one[0])[1] if candidates else None


ALL = [(mount, path, view) for mount in MOUNTS for path, view in routes_of(mount)]


def test_no_two_contracts_claim_a_method_and_path() -> None:
    claimed = Counter((method, path) for _, path, view in ALL for method in methods_of(view, path))

    assert [claim for claim, count in claimed.items() if count > 1] == []


def test_every_route_is_answered_by_the_contract_that_has_it() -> None:
    strays = [path for mount, path, _ in ALL if mount_of(path) is not mount]

    assert strays == []


def documented() -> list[tuple[str, str]]:
    found = {
        (method, _PARAMETER.sub("x", path.rstrip(".:")))
        for page in DOCS
        for methods, path in _DOCUMENTED.findall(page.read_text("utf-8"))
        for method in methods.split(", ")
    }
    return sorted(found)


@pytest.mark.parametrize(("method", "path"), documented())
def test_a_documented_route_exists(method: str, path: str) -> None:
    mount = mount_of(path)
    served: set[str] = set()
    if mount is not None:
        try:
            match = resolve(path, urlconf=mount.urlconf)
            served = methods_of(match.func, path)
        except Resolver404:
            pass  # perhaps a route of the management API below the same prefix
    if method not in served:
        resolve(path, urlconf="genie.urls")  # raises where nobody has it


def test_the_documents_name_routes_of_every_contract() -> None:
    named = {mount_of(path) for _, path in documented()}

    assert set(MOUNTS) <= named
