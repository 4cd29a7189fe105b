"""What comments of the code say: of a line, of the fields of a class.

The comments are the only place where the meaning of a setting or of a field is written, so the pages
are made of them.
"""

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Comments:
    """The comments of one source text, by line: those that stand alone, and those behind code."""

    alone: Mapping[int, str]
    behind: Mapping[int, str]

    def of(self, first: int, last: int) -> str:
        """Return what the comments above the first of these lines, and behind any, say together."""
        above: list[str] = []
        line = first - 1
        while line in self.alone:
            above.insert(0, self.alone[line])
            line -= 1
        within = [self.behind[at] for at in range(first, last + 1) if at in self.behind]
        return " ".join([*above, *within])


def read(source: str) -> Comments:
    """Return the comments of a source text, without their marks."""
    alone: dict[int, str] = {}
    behind: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = _said(token.string)
            is_alone = not token.line[: token.start[1]].strip()
            if text:
                (alone if is_alone else behind)[token.start[0]] = text
    return Comments(alone, behind)


def of_fields(cls: type) -> dict[str, str]:
    """Return what is said of each field of a dataclass, or member of an enum, beside its definition."""
    source = textwrap.dedent(inspect.getsource(cls))
    comments = read(source)
    found = {}
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    for statement in definition.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                last = statement.end_lineno or statement.lineno
                found[name] = comments.of(statement.lineno, last)
    return found


def _said(comment: str) -> str:
    """Return what a comment says to people: no heading, and of a linter's mark only its reason.

    >>> _said("# noqa: S105 - no key opens it"), _said("# --- Files ---"), _said("# of a worker")
    ('no key opens it', '', 'of a worker')
    """
    text = comment.lstrip("#").strip()
    if text.startswith(("noqa", "type: ignore")):
        return text.partition(" - ")[2]
    return "" if text.startswith("---") else text
