"""The index of the decisions, by their titles."""

from pathlib import Path

from tests.reference import markdown

DIRECTORY = Path(__file__).resolve().parents[2] / "docs" / "adr"


def page() -> str:
    """Return the page."""
    rows = [
        [number, f"[{title}]({path.name})"]
        for path in sorted(DIRECTORY.glob("[0-9]*.md"))
        for number, title in [_titled(path)]
    ]
    return markdown.page(
        "Decisions",
        "What was decided, why, what follows from it, and what was passed over: half a page each. A "
        "decision that is taken back gets a new page which says so.",
        markdown.table(["", "decision"], rows),
    )


def _titled(path: Path) -> tuple[str, str]:
    first = path.read_text("utf-8").partition("\n")[0]
    number, _, title = first.removeprefix("# ").partition(". ")
    return number, title
