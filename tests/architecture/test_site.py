"""The site of the documentation: what judges it sees what it should, and names what it needs."""

import importlib.util
import json
import re
from types import ModuleType

import pytest

from tests import documents


@pytest.fixture(scope="module")
def build_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "build_docs", documents.ROOT / "deploy" / "build_docs.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        '<img src="http://example.com/a.png">',
        '<iframe src="https://example.com/"></iframe>',
    ],
)
def test_what_a_page_would_fetch_from_elsewhere_is_seen(
    build_docs: ModuleType, element: str
) -> None:
    fetches = build_docs.Fetches()

    fetches.feed(f"<html><body>{element}</body></html>")

    assert len(fetches.found) == 1


@pytest.mark.parametrize(
    "element",
    [
        '<script src="../assets/mermaid.js"></script>',
        '<a href="https://example.com/">a link is followed by people</a>',
        '<link rel="canonical" href="https://example.com/page">',
        '<img src="data:image/png;base64,AA==">',
    ],
)
def test_what_it_has_or_only_names_is_not(build_docs: ModuleType, element: str) -> None:
    fetches = build_docs.Fetches()

    fetches.feed(f"<html><body>{element}</body></html>")

    assert fetches.found == []


def test_the_diagrams_program_is_pinned_with_its_digest() -> None:
    lock = json.loads((documents.ROOT / "deploy" / "docs" / "package-lock.json").read_text("utf-8"))
    (name,) = (one for one in lock["packages"] if one)

    assert re.fullmatch(r"\d+\.\d+\.\d+", lock["packages"][""]["dependencies"]["@mermaid-js/tiny"])
    assert lock["packages"][name]["integrity"].startswith("sha512-")
    assert (
        "resolved" not in lock["packages"][name]
    )  # which registry is asked is for those who install it
