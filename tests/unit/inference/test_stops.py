"""Stop strings in text that arrives in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.backends.stops import StopScanner

letters = st.text("abc", max_size=30)


def scan(pieces: list[str], stops: list[str]) -> tuple[str, bool]:
    scanner = StopScanner(stops)
    out = ""
    for piece in pieces:
        text, stopped = scanner.feed(piece)
        out += text
        if stopped:
            return out, True
    return out + scanner.flush(), False


@pytest.mark.parametrize(
    ("pieces", "stops", "text", "stopped"),
    [
        (["hello world"], [], "hello world", False),
        (["hello world"], ["o w"], "hell", True),
        (["hel", "lo", " wo", "rld"], ["o w"], "hell", True),
        (["a", "b", "x"], ["abc"], "abx", False),
        (["a", "b"], ["abc"], "ab", False),
        (["stop"], ["stop"], "", True),
        (["aab"], ["ab"], "a", True),
        (["a", "a", "b"], ["ab"], "a", True),
        (["one\n", "\ntwo"], ["\n\n"], "one", True),
        (["abcd"], ["abcd", "bc"], "a", True),
        (["xay"], ["a", "xa"], "", True),
        (["größe 🙂 x"], ["🙂"], "größe ", True),
    ],
)
def test_cuts_just_before_the_stop_string(
    pieces: list[str],
    stops: list[str],
    text: str,
    stopped: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    assert scan(pieces, stops) == (text, stopped)


def test_holds_back_what_may_be_the_beginning() -> None:
    scanner = StopScanner(["END"])

    assert scanner.feed("the E") == ("the ", False)
    assert scanner.feed("N") == ("", False)
    assert scanner.feed("x") == ("ENx", False)


@given(text=letters, stops=st.lists(st.text("abc", min_size=1, max_size=4), max_size=4))
def test_the_result_does_not_depend_on_the_pieces(text: str, stops: list[str]) -> None:
    whole = scan([text], stops)

    assert scan(list(text), stops) == whole


@given(text=letters, stops=st.lists(st.text("abc", min_size=1, max_size=4), min_size=1))
def test_no_stop_string_ever_comes_out(text: str, stops: list[str]) -> None:
    out, stopped = scan(list(text), stops)

    assert not any(stop in out for stop in stops)
    assert stopped == any(stop in text for stop in stops)
