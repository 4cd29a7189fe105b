"""Tool calls in a model's text, in both forms: read the same however the text is cut."""

import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import scripts
from inference.backends.callreading import CallReader
from inference.toolcalls import CallForm
from inference.types import ToolCall

NAMES = ("add", "get_weather")
ADD = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": [2]}}\n</tool_call>'
WEATHER = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich"}}\n</tool_call>'
ADD_CALL = ToolCall(name="add", arguments='{"a": 1, "b": [2]}')
WEATHER_CALL = ToolCall(name="get_weather", arguments='{"city": "Zürich"}')
LLAMA_ADD = '{"name": "add", "parameters": {"a": 1, "b": [2]}}'
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip


def read(
    parts: Sequence[str], form: CallForm = CallForm.QWEN, *, is_constrained: bool = False
) -> tuple[str, list[ToolCall], list[str]]:
    reader = CallReader(form, names=NAMES, is_constrained=is_constrained)
    told = [reader.feed(part) for part in parts]
    told.append(reader.finish())
    return reader.content, list(reader.calls), [one for one in told if one]


class TestQwen:
    @pytest.mark.parametrize("is_constrained", [False, True])
    @pytest.mark.parametrize(
        ("text", "content", "calls"),
        [
            ("hello", "hello", []),
            ("hello\n", "hello\n", []),
            (ADD, "", [ADD_CALL]),
            (f"Let me see.\n{ADD}", "Let me see.", [ADD_CALL]),
            (f"{ADD}\n{WEATHER}", "", [ADD_CALL, WEATHER_CALL]),
            (f"{ADD}\n", "", [ADD_CALL]),
            (f"a {ADD} b", "a b", [ADD_CALL]),
            ("1 < 2 <tool", "1 < 2 <tool", []),
        ],
    )
    def test_text_and_calls_are_told_apart(
        self, text: str, content: str, calls: list[ToolCall], *, is_constrained: bool
    ) -> None:
        assert read([text], is_constrained=is_constrained)[:2] == (content, calls)
        assert read(list(text), is_constrained=is_constrained)[:2] == (content, calls)

    @pytest.mark.parametrize(
        "text",
        [
            "<tool_call>",
            "<tool_call>\n{}\n</tool_call>",
            '<tool_call>\n{"name": "add", "arguments": {"a": }}\n</tool_call>',
            '<tool_call>\n{"name": "add"}\n</tool_call>',
            '<tool_call>\n{"name": "add", "arguments": 5}\n</tool_call>',
            '<tool_call>\n{"name": "add", "arguments": "5"}\n</tool_call>',
            '<tool_call>\n{"name": "delete_all", "arguments": {}}\n</tool_call>',
            '<tool_call>\n{"name": 5, "arguments": {}}\n</tool_call>',
            '<tool_call>\n{"name": "add", "arguments": {"a": NaN}}\n</tool_call>',
            '<tool_call>\n["add"]\n</tool_call>',
            f"<tool_call>\n{'[' * 5000}\n</tool_call>",
            '<tool_call>\n{"name": "add", "arguments": {"a": 1}}',
        ],
    )
    def test_what_is_no_call_of_a_tool_is_text(self, text: str) -> None:
        assert read([text])[:2] == (text, [])
        assert read(list(text))[:2] == (text, [])

    def test_a_call_behind_a_malformed_one_still_counts(self) -> None:
        content, calls, told = read([f"<tool_call>no</tool_call>\n{ADD}"])

        assert (content, calls) == ("<tool_call>no</tool_call>", [ADD_CALL])
        assert "".join(told) == scripts.of([(content, calls)])

    def test_arguments_in_a_string_are_taken_out_of_it(self) -> None:
        text = '<tool_call>{"name": "add", "arguments": "{\\"a\\": 1}"}</tool_call>'

        assert read([text])[1] == [ToolCall(name="add", arguments='{"a": 1}')]

    def test_the_order_of_the_keys_does_not_matter(self) -> None:
        text = '<tool_call>{"arguments": {"arguments": {}}, "name": "add"}</tool_call>'

        assert read([text])[1] == [ToolCall(name="add", arguments='{"arguments": {}}')]

    def test_a_constrained_call_is_told_as_it_grows(self) -> None:
        told = read(list(ADD), is_constrained=True)[2]

        assert told[0] == scripts.head("add")
        assert len(told) > 10
        assert "".join(told[1:]) == ADD_CALL.arguments

    def test_any_other_call_is_told_whole(self) -> None:
        assert read(list(ADD))[2] == [scripts.head("add") + ADD_CALL.arguments]

    def test_a_limit_leaves_arguments_as_far_as_they_came(self) -> None:
        cut = ADD[: ADD.index(', "b"')]

        assert read([cut], is_constrained=True)[1] == [ToolCall(name="add", arguments='{"a": 1')]

    def test_marks_of_scripts_in_a_text_are_dropped(self) -> None:
        assert read(["a\x1eb\x1fc"])[0] == "abc"

    @given(text=st.text(max_size=20), cuts=st.lists(st.integers(0, 200), max_size=6), arguments=st.dictionaries(st.text(max_size=5), ANY_JSON, max_size=3), is_constrained=st.booleans())  # fmt: skip
    def test_cuts_make_no_difference(
        self,
        text: str,
        cuts: list[int],
        arguments: dict[str, object],
        *,
        is_constrained: bool,
    ) -> None:
        written = json.dumps(arguments, ensure_ascii=False)
        call = f'<tool_call>\n{{"name": "add", "arguments": {written}}}\n</tool_call>'
        whole = scripts.clean(text) + call
        places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
        parts = [whole[a:b] for a, b in itertools.pairwise(places)]

        content, calls, told = read(parts, is_constrained=is_constrained)

        assert calls == [ToolCall(name="add", arguments=written)]
        assert content == scripts.clean(text).rstrip()
        assert "".join(told) == scripts.of([(content, calls)])


class TestLlama:
    @pytest.mark.parametrize("is_constrained", [False, True])
    def test_an_answer_that_is_a_call_is_one(self, *, is_constrained: bool) -> None:
        for parts in ([LLAMA_ADD], list(LLAMA_ADD)):
            content, calls, told = read(parts, CallForm.LLAMA, is_constrained=is_constrained)

            assert (content, calls) == ("", [ADD_CALL])
            assert "".join(told) == scripts.of([("", calls)])

    @pytest.mark.parametrize("is_constrained", [False, True])
    @pytest.mark.parametrize("text", ["hello", " {nothing", '{"x": 1}', "{", '{"name": "other"}', f"see {LLAMA_ADD}"])  # fmt: skip
    def test_anything_else_is_text(self, text: str, *, is_constrained: bool) -> None:
        for parts in ([text], list(text)):
            content, calls, _ = read(parts, CallForm.LLAMA, is_constrained=is_constrained)

            assert (content, calls) == (text, [])

    def test_a_limit_right_behind_the_arguments_leaves_them_whole(self) -> None:
        calls = read([LLAMA_ADD[:-1]], CallForm.LLAMA, is_constrained=True)[1]

        assert calls == [ADD_CALL]
