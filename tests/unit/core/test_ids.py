"""Ids are ordered in time and have three spellings; nothing else is read as one."""

import datetime as dt
import doctest
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie.core import ids

ANY_ID = st.integers(0, (1 << 128) - 1).map(lambda number: uuid.UUID(int=number))
# Until 36**24 of 2**80 milliseconds have passed: in the year 2558.
MADE_HERE = st.integers(0, 36**24 - 1).map(lambda number: uuid.UUID(int=number))
PREFIXES = st.text(string.ascii_lowercase, min_size=1, max_size=10)


class TestNewId:
    def test_sorts_after_every_earlier_one(self) -> None:
        made = [ids.new_id() for _ in range(10_000)]

        assert made == sorted(made)
        assert len(set(made)) == len(made)

    def test_has_the_layout_of_version_7(self) -> None:
        made = ids.new_id()

        assert made.version == 7
        assert made.variant == uuid.RFC_4122

    def test_stays_in_order_when_the_clock_steps_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = ids.new_id()
        monkeypatch.setattr("genie.core.ids.time.time_ns", lambda: 0)

        assert before < ids.new_id() < ids.new_id()

    def test_borrows_the_next_millisecond_after_4096_in_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A moment after every id of this run, and the same for all of them.
        now_ns = (ids._last[0] + 1000) * 1_000_000
        monkeypatch.setattr("genie.core.ids.time.time_ns", lambda: now_ns)

        made = [ids.new_id() for _ in range(9000)]

        assert made == sorted(made)
        assert len(set(made)) == 9000


class TestSpellings:
    @given(ANY_ID, PREFIXES)
    def test_all_three_are_read_back(self, job_id: uuid.UUID, prefix: str) -> None:
        bare = ids.bare(job_id)

        assert ids.parse(str(job_id)) == job_id
        assert ids.parse(str(job_id).upper()) == job_id
        assert ids.parse(bare) == job_id
        assert ids.parse(f"{prefix}-{bare}") == job_id
        assert ids.parse(f"{prefix}-{job_id}") == job_id

    @pytest.mark.parametrize(
        ("job_id", "bare"),
        [
            ("1e89b165-d4fe-49e8-beb2-3e157f2df02f", "c1t323n3p5e93ca4emwl3g2azz"),
            ("00000000-0000-4000-8000-000000000001", "c000000001d7tmz9j2abdrls1"),
            ("10e425c5-6daf-fabc-35c0-ffffffffffff", "czzzzzzzzzzzzzzzzzzzzzzzz"),
            ("10e425c5-6daf-fabc-35c1-000000000000", "c1000000000000000000000000"),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", "cf5lxx1zz5pnorynqglhzmsp33"),
        ],
    )
    def test_the_bare_form_of_the_contract(self, job_id: str, bare: str) -> None:
        assert ids.bare(uuid.UUID(job_id)) == bare
        assert ids.parse(bare) == ids.parse(f"chatcmpl-{bare}") == uuid.UUID(job_id)

    @given(MADE_HERE, MADE_HERE)
    def test_the_bare_form_sorts_like_the_id(self, one: uuid.UUID, other: uuid.UUID) -> None:
        assert (ids.bare(one) < ids.bare(other)) == (one < other)

    @given(ANY_ID)
    def test_the_bare_form_is_a_c_and_24_or_25_base_36_digits(self, job_id: uuid.UUID) -> None:
        bare = ids.bare(job_id)

        assert len(bare) == (25 if job_id.int < 36**24 else 26)
        assert bare[0] == "c"
        assert set(bare) <= set(string.digits + string.ascii_lowercase)


def _spells(text: str, job_id: uuid.UUID) -> bool:
    bare = ids.bare(job_id)
    return text.lower().endswith(str(job_id)) or text.endswith(bare)


class TestJunk:
    @given(st.text(max_size=80))
    def test_any_text_is_an_id_in_a_known_spelling_or_none(self, text: str) -> None:
        parsed = ids.parse(text)

        assert parsed is None or _spells(text, parsed)

    @given(st.text("0123456789abcdefABCDEF-_+ {}c", min_size=36, max_size=36))
    def test_text_of_a_uuids_length_is_one_or_none(self, text: str) -> None:
        parsed = ids.parse(text)

        assert parsed is None or _spells(text, parsed)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "c",
            "chatcmpl-",
            "c" + "z" * 25,  # beyond 128 bits
            "c" + "0" * 23,
            "c" + "0" * 25,  # 24 are enough for it
            "c" + "0" * 26,
            "C" + "0" * 24,
            "c" + "0" * 23 + "A",
            "c" + "0" * 23 + "\u0660",  # a digit, but not one of ours
            "Chatcmpl-c" + "0" * 24,
            "chat cmpl-c" + "0" * 24,
            "-c" + "0" * 24,
            "00000000000000000000000000000000",  # a UUID without its dashes
            "{00000000-0000-0000-0000-000000000000}",
            "0_000000-0000-0000-0000-000000000000",
            "000000000000-0000-0000-0000-00000000",
            "+0000000-0000-0000-0000-000000000000",
            " 0000000-0000-0000-0000-000000000000",
            "0" * 100_000,
        ],
    )
    def test_is_refused(self, text: str) -> None:
        assert ids.parse(text) is None


class TestMadeAt:
    def test_is_when_an_id_was_made(self) -> None:
        before = dt.datetime.now(dt.UTC)

        made_at = ids.made_at(ids.new_id())

        assert made_at is not None
        assert abs(made_at - before) < dt.timedelta(minutes=1)

    @given(ANY_ID)
    def test_never_fails(self, identifier: uuid.UUID) -> None:
        made_at = ids.made_at(identifier)

        assert made_at is None or made_at.tzinfo is dt.UTC

    @pytest.mark.parametrize(
        "text",
        ["00000000-0000-4000-8000-000000000000", "ffffffff-ffff-7fff-8fff-ffffffffffff"],
        ids=["random", "beyond the year 9999"],
    )
    def test_is_unknown_for_ids_that_are_not_ours(self, text: str) -> None:
        assert ids.made_at(uuid.UUID(text)) is None


def test_the_examples_in_the_documentation_hold() -> None:
    assert doctest.testmod(ids).failed == 0
