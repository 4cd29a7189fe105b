"""Renders a checkpoint's chat template, the same way as transformers does, without importing it."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from inference.errors import InputRejected

# Private-use characters around a control token that a caller wrote; see Note [Control tokens].
OPEN, CLOSE = "\ue0f0", "\ue0f1"


class ChatTemplate:
    """One compiled template. A template comes with a checkpoint, so it runs in a sandbox."""

    def __init__(self, source: str, *, variables: Mapping[str, Any]) -> None:
        self._template = _environment().from_string(source)
        self._variables = dict(variables)

    def render(
        self, messages: Sequence[Mapping[str, Any]], *, tools: Sequence[Mapping[str, Any]] = ()
    ) -> str:
        """Return the prompt of a conversation, open for the assistant's answer.

        Raises:
            InputRejected: the template refuses these messages, such as roles in a wrong order.
        """
        try:
            return self._template.render(
                messages=[dict(message) for message in messages],
                tools=[dict(tool) for tool in tools] or None,
                documents=None,
                add_generation_prompt=True,
                **self._variables,
            )
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise InputRejected(
                "The model's chat template does not accept these messages; check roles and order.",
                field="messages",
            ) from error


class _GenerationTag(jinja2.ext.Extension):
    """Accepts {% generation %}, which marks the assistant's part for training; here it is text."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 reads the class attribute

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> jinja2.Environment:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        extensions=[_GenerationTag, jinja2.ext.loopcontrols],
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


def _to_json(value: Any, **options: Any) -> str:
    # The filter of jinja2 itself escapes for HTML, which a model would read as other text.
    text = json.dumps(value, **{"ensure_ascii": False, **options})
    # Where a template asks for ASCII, the signs around control tokens must stay signs.
    for sign in (OPEN, CLOSE):
        text = text.replace(f"\\u{ord(sign):04x}", sign)
    return text


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(layout: str) -> str:
    return dt.datetime.now(tz=dt.UTC).strftime(layout)  # noqa: TID251 - asked for by the template
