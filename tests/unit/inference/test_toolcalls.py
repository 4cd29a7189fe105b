"""The form of a model's calls, and what its grammars let through."""

from typing import Any

import llguidance
import pytest

from inference import structured, toolcalls
from inference.toolcalls import CallForm
from inference.types import ToolUse
from tests.unit.inference.specs import echo_spec as spec


def tool(name: str, parameters: Any = None, **function: Any) -> dict[str, Any]:
    declared = {"name": name, **({"parameters": parameters} if parameters else {}), **function}
    return {"type": "function", "function": declared}


NUMBER = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}  # fmt: skip
ADD, PING = tool("add", NUMBER), tool("ping")
BYTES = llguidance.LLTokenizer("byte")


def accepts(grammar: str, text: str) -> bool:
    matcher = llguidance.LLMatcher(BYTES, grammar, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    data = list(text.encode())
    return matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting()


def qwen(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


PINGED = qwen("ping", "{}")


def llama(name: str, arguments: str) -> str:
    return f'{{"name": "{name}", "parameters": {arguments}}}'


def grammar(form: CallForm, schema: Any = None, **use: Any) -> str:
    wanted = ToolUse(**{"tools": (ADD, PING), **use})
    return toolcalls.grammar(wanted, form, schema=schema, tags_are_tokens=False)


class TestFormOf:
    @pytest.mark.parametrize(
        ("template", "form"),
        [
            ("{% if tools %}<tool_call>{% endif %}", CallForm.QWEN),
            ('{% if tools %}{"name": x, "parameters": y}{% endif %}', CallForm.LLAMA),
            ("{% if tools %}[TOOL_CALLS]{% endif %}", None),
            ("no mention", None),
        ],
    )
    def test_is_told_by_the_template(self, template: str, form: CallForm | None) -> None:
        assert toolcalls.form_of(spec("m"), template) is form

    def test_is_what_the_options_say(self) -> None:
        assert toolcalls.form_of(spec("m", options={"tool_calls": "llama"}), "") is CallForm.LLAMA

    def test_refuses_a_form_that_is_none(self) -> None:
        with pytest.raises(ValueError, match="hermes"):
            toolcalls.form_of(spec("m", options={"tool_calls": "hermes"}), "")


class TestIsConstrained:
    @pytest.mark.parametrize(
        ("use", "schema", "held"),
        [
            ({}, None, False),
            ({"required": True}, None, True),
            ({"named": "add"}, None, True),
            ({"parallel": False}, None, True),
            ({"tools": (tool("a", NUMBER, strict=True), PING)}, None, True),
            ({}, {"type": "object"}, True),
        ],
    )
    def test_where_something_is_promised(
        self, use: dict[str, Any], schema: Any, *, held: bool
    ) -> None:
        wanted = ToolUse(**{"tools": (ADD, PING), **use})

        assert toolcalls.is_constrained(wanted, schema=schema) is held


@pytest.mark.parametrize(
    ("use", "yes", "no"),
    [
        (
            {"required": True},
            [qwen("add", '{"a": 1}'), qwen("add", '{"a":1}') + "\n" + PINGED],
            ["", "hi", qwen("add", "{}"), qwen("ping", '{"a": 1}'), qwen("other", "{}"), "x" + PINGED],
        ),
        (
            {"named": "ping"},
            [qwen("ping", "{}")],
            ["", "hi", qwen("add", '{"a": 1}'), PINGED + "\n" + PINGED],
        ),
        (
            {"parallel": False},
            ["", "hi", qwen("add", '{"b": []}'), "so:\n" + PINGED],
            [PINGED + "\n" + PINGED, qwen("other", "{}"), "a <tool_call>\n{"],
        ),
        (
            {"tools": (tool("add", NUMBER, strict=True), PING)},
            ["hi", qwen("add", '{"a": 1}'), qwen("ping", '{"any": 1}')],
            [qwen("add", "{}"), qwen("add", '{"a": "1"}')],
        ),
        (
            {"schema": NUMBER},
            ['{"a": 1}', qwen("add", "{}")],
            ["", "hi", "hi " + PINGED],
        ),
    ],
)  # fmt: skip
def test_a_grammar_of_qwens_form(use: dict[str, Any], yes: list[str], no: list[str]) -> None:
    found = grammar(CallForm.QWEN, **use)

    assert [text for text in yes if not accepts(found, text)] == []
    assert [text for text in no if accepts(found, text)] == []
    structured.check_grammar(found)


@pytest.mark.parametrize(
    ("use", "yes", "no"),
    [
        (
            {"required": True},
            [llama("add", '{"a": 1}'), llama("ping", "{}")],
            ["", "hi", llama("add", "{}"), llama("other", "{}"), llama("ping", "{}") + ";"],
        ),
        (
            {"parallel": False},
            ["", "hi {", llama("add", '{"b": []}')],
            [llama("ping", "{}") + "\n" + llama("ping", "{}"), "{}"],
        ),
    ],
)
def test_a_grammar_of_llamas_form(use: dict[str, Any], yes: list[str], no: list[str]) -> None:
    found = grammar(CallForm.LLAMA, **use)

    assert [text for text in yes if not accepts(found, text)] == []
    assert [text for text in no if accepts(found, text)] == []
