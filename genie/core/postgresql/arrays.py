"""Array literals in text, for casts such as ``%s::uuid[]``.

psycopg adapts a list element by element in Python, which can cost more than all the rest of a
statement; these joins do not.
"""

import uuid
from collections.abc import Iterable


def integers(values: Iterable[int | None]) -> str:
    """Return a literal of integers; None is NULL."""
    return "{" + ",".join(["NULL" if one is None else str(int(one)) for one in values]) + "}"


def floats(values: Iterable[float]) -> str:
    """Return a literal of floating-point numbers, each as exact as it is."""
    return "{" + ",".join([repr(float(one)) for one in values]) + "}"


def uuids(values: Iterable[uuid.UUID | None]) -> str:
    """Return a literal of UUIDs; None is NULL."""
    return "{" + ",".join(["NULL" if one is None else one.hex for one in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """Return a literal of texts, whatever is in them; None is NULL."""
    return "{" + ",".join(["NULL" if one is None else _quoted(one) for one in values]) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
