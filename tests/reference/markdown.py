"""The few pieces of Markdown that reference pages are made of."""

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made from the code by `make reference`: change the code, not this page. -->"


def page(title: str, *parts: str) -> str:
    """Return a whole page: its title, the note that it is generated, and its parts."""
    return "\n\n".join([f"# {title}", NOTE, *(part.strip() for part in parts)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells may hold anything but a pipe that is not escaped.

    >>> print(table(["a", "b"], [["1", "x|y"]]))
    | a | b |
    | --- | --- |
    | 1 | x\\|y |
    """
    lines = [head, ["---"] * len(head), *([_cell(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """Return a text as code; an empty one is nothing."""
    return f"`{text}`" if text else ""


def listed(names: Iterable[str]) -> str:
    """Return names as code with commas between them."""
    return ", ".join(code(name) for name in names)


def sentence(text: str) -> str:
    """Return a note of the code as a sentence: it begins large and ends with a full stop.

    >>> sentence("queued for longer: queue-timeout")
    'Queued for longer: queue-timeout.'
    """
    said = " ".join(text.split())
    if not said:
        return ""
    return said[0].upper() + said[1:] + ("" if said.endswith((".", "!", "?")) else ".")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
