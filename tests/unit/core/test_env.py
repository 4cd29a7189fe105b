"""Environment variables are read with their type, or refused by name."""

from collections.abc import Callable
from typing import Any

import pytest

from genie.core import env

NAME = "GENIE_TEST_VALUE"


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that sets the variable."""
    monkeypatch.delenv(NAME, raising=False)
    return lambda value: monkeypatch.setenv(NAME, value)


class TestText:
    def test_is_the_value_or_the_default(self, given: Callable[[str], None]) -> None:
        assert env.text(NAME, "default") == "default"
        given("")
        assert env.text(NAME, "default") == ""

    def test_without_a_default_is_refused_by_name(self, given: Callable[[str], None]) -> None:
        with pytest.raises(env.SettingError, match=NAME):
            env.text(NAME)

    def test_words_are_separated_by_commas(self, given: Callable[[str], None]) -> None:
        given(" a, b ,,c,")
        assert env.words(NAME) == ["a", "b", "c"]


class TestTyped:
    @pytest.mark.parametrize(
        ("text", "value"),
        [("1", True), ("TRUE", True), ("on", True), ("0", False), ("No", False), ("", False)],
    )
    def test_boolean(self, given: Callable[[str], None], text: str, *, value: bool) -> None:
        given(text)
        assert env.boolean(NAME, default=not value) is value

    @pytest.mark.parametrize(("text", "value"), [("0", 0), (" 7 ", 7), ("1_000", 1000)])
    def test_integer(self, given: Callable[[str], None], text: str, value: int) -> None:
        given(text)
        assert env.integer(NAME, 5) == value

    @pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("2.5", 2.5), ("1e3", 1000.0)])
    def test_seconds(self, given: Callable[[str], None], text: str, value: float) -> None:
        given(text)
        assert env.seconds(NAME, 5) == value

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("443", (range(443, 444),)),
            ("443, 8000-8999,", (range(443, 444), range(8000, 9000))),
            ("1-65535", (range(1, 65536),)),
        ],
    )
    def test_port_ranges(
        self, given: Callable[[str], None], text: str, value: tuple[range, ...]
    ) -> None:
        given(text)
        assert env.port_ranges(NAME, "1") == value

    def test_the_default_where_it_is_unset(self, given: Callable[[str], None]) -> None:
        assert env.boolean(NAME, default=True) is True
        assert env.integer(NAME, 5) == 5
        assert env.seconds(NAME, 5) == 5

    @pytest.mark.parametrize(
        ("read", "text"),
        [
            (lambda: env.boolean(NAME, default=False), "maybe"),
            (lambda: env.integer(NAME, 1), "1.5"),
            (lambda: env.integer(NAME, 1), ""),
            (lambda: env.integer(NAME, 1, minimum=1), "0"),
            (lambda: env.seconds(NAME, 1), "-1"),
            (lambda: env.seconds(NAME, 1), "inf"),
            (lambda: env.seconds(NAME, 1), "nan"),
            (lambda: env.seconds(NAME, 1), "1 s"),
            *(
                (lambda: env.port_ranges(NAME, "443"), bad)
                for bad in ("", "0", "65536", "9-1", "https", "1-2-3")
            ),
        ],
    )
    def test_anything_else_is_refused_by_name(
        self, given: Callable[[str], None], read: Callable[[], Any], text: str
    ) -> None:
        given(text)
        with pytest.raises(env.SettingError, match=NAME):
            read()
