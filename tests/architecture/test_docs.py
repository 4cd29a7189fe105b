"""The documents say what the code says: codes, commands, links, decisions."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from genie.core import errors

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")]
    if ".venv" not in path.parts
)
OURS = ("genie", "genie.core", "genie.tenants", "jobs", "budgets", "webhooks", "inference")


def _subclasses(error: type[errors.GenieError]) -> set[type[errors.GenieError]]:
    return {error}.union(*(_subclasses(one) for one in error.__subclasses__()))


def test_every_error_code_is_documented() -> None:
    documented = set(re.findall(r"`([a-z][a-z-]+)`", (ROOT / "docs/api.md").read_text()))
    codes = {
        one.code for one in _subclasses(errors.GenieError) if one.__module__ == errors.__name__
    }

    assert codes <= documented


def test_the_error_outline_names_every_class() -> None:
    outline = errors.__doc__ or ""
    classes = {
        one.__name__ for one in _subclasses(errors.GenieError) if one.__module__ == errors.__name__
    }

    assert {name for name in classes if name not in outline} <= {"RetryLater"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    broken = [
        link for link in links if "://" not in link and not (page.parent / link).resolve().exists()
    ]

    assert broken == []


def test_every_command_is_documented() -> None:
    handbook = "\n".join(page.read_text() for page in PAGES)
    ours = {name for name, app in get_commands().items() if app in OURS}

    assert {name for name in ours if not re.search(rf"\b{name}\b", handbook)} == set()


def test_every_decision_has_its_parts() -> None:
    for page in sorted((ROOT / "docs/adr").glob("[0-9]*.md")):
        text = page.read_text()
        assert re.match(r"# \d+\. \S", text), page.name
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text, f"{page.name} has no {part}"
