"""What the measurements on a GPU hand to each other."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where to measure, and what."""

    device: str  # as torch names it
    is_small: bool  # the tiny models that are shipped, not random ones of real sizes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of figures."""

    title: str
    headings: tuple[str, ...]  # the first names the row
    rows: tuple[tuple[str, ...], ...]
    note: str = ""  # how to read it
