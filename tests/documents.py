"""The blocks of code in the documentation, as readers copy them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
# A comment above a block says what tests do with it; readers do not see it.
_BLOCK = re.compile(
    r"^(?:<!-- (?P<note>[^\n]*?) -->\n)?```(?P<language>[a-z]+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of code."""

    page: Path
    line: int  # where it begins, from 1
    language: str
    note: str  # of the comment above it; empty where there is none
    text: str

    @property
    def place(self) -> str:
        """Where it is, for people who look for it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return every page of the documentation, with the README and what stands beside it."""
    return sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, in order."""
    source = page.read_text("utf-8")
    for found in _BLOCK.finditer(source):
        yield Block(
            page=page,
            line=source.count("\n", 0, found.start("language")) + 1,
            language=found["language"],
            note=found["note"] or "",
            text=found["text"],
        )


def every_block(*languages: str) -> list[Block]:
    """Return the blocks of all pages that are in one of these languages."""
    return [one for page in pages() for one in blocks(page) if one.language in languages]
