"""Answers as scripts: they come apart as they were put together, wherever they are cut."""

from hypothesis import given
from hypothesis import strategies as st

from inference import scripts
from inference.scripts import Piece, Place
from inference.types import ToolCall

TEXT = st.text(max_size=8).map(scripts.clean)
CALLS = st.builds(ToolCall, name=st.text("abc_", min_size=1, max_size=4), arguments=TEXT)
ANSWERS = st.lists(st.tuples(TEXT, st.lists(CALLS, max_size=3)), min_size=1, max_size=3)
CALL = ToolCall(name="add", arguments='{"a": 1}')


def told(parts: list[str]) -> list[Piece]:
    """Read a script that arrives in parts."""
    place = Place()
    found: list[Piece] = []
    for part in parts:
        found += scripts.pieces(place, part)
        place = scripts.advance(place, part)
    return found


def test_a_text_is_its_own_script() -> None:
    assert scripts.of([("hello", [])]) == "hello"
    assert told(["hello"]) == [Piece(choice=0, text="hello")]


def test_a_call_is_a_head_and_arguments() -> None:
    assert told([scripts.of([("so:", [CALL, CALL])])]) == [
        Piece(choice=0, text="so:"),
        Piece(choice=0, call=0, name="add"),
        Piece(choice=0, call=0, text='{"a": 1}'),
        Piece(choice=0, call=1, name="add"),
        Piece(choice=0, call=1, text='{"a": 1}'),
    ]


def test_text_may_go_on_behind_a_call() -> None:
    script = scripts.of([("a", [CALL])]) + scripts.CONTENT + "b"

    assert told([script])[-1] == Piece(choice=0, text="b")


def test_an_empty_choice_counts() -> None:
    script = scripts.of([("a", []), ("", []), ("b", [CALL])])

    assert [(one.choice, one.call) for one in told([script])] == [(0, None), (2, None), (2, 0), (2, 0)]  # fmt: skip


@given(answer=ANSWERS)
def test_comes_apart_as_it_was_put_together(answer: list[tuple[str, list[ToolCall]]]) -> None:
    found = told([scripts.of(answer)])

    for number, (text, calls) in enumerate(answer):
        mine = [one for one in found if one.choice == number]
        assert "".join(one.text for one in mine if one.call is None) == text
        assert [one.name for one in mine if one.name is not None] == [call.name for call in calls]
        for index, call in enumerate(calls):
            assert "".join(one.text for one in mine if one.call == index) == call.arguments


@given(answer=ANSWERS)
def test_parts_have_one_piece_each_and_tell_the_same(
    answer: list[tuple[str, list[ToolCall]]],
) -> None:
    script = scripts.of(answer)
    parts = scripts.parts(script)

    assert "".join(parts) == script
    assert told(parts) == told([script])
    assert all(len(list(scripts.pieces(Place(), part))) <= 1 for part in parts)


@given(text=st.text())
def test_a_clean_text_has_no_marks(text: str) -> None:
    assert len(told([scripts.clean(text)])) <= 1
