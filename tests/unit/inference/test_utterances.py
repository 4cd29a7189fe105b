"""Cutting a text into what is spoken in one go."""

from hypothesis import given
from hypothesis import strategies as st

from inference.backends.utterances import speakable, utterances

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz' ")
TEXTS = st.text(st.sampled_from("abé \n.!?,;-0\u2019\u3002"), max_size=300)


def texts(text: str, *, most: int = 200) -> list[str]:
    return [utterance.text for utterance in utterances(text, known=None, most=most)]


class TestUtterances:
    def test_end_with_sentences(self) -> None:
        found = texts('It is 3.14 o\'clock. "Yes!" she said. And\nthen?')

        assert found == ["It is 3.14 o'clock.", '"Yes!"', "she said.", "And", "then?"]

    def test_end_with_sentences_that_no_space_follows(self) -> None:
        assert texts("你好。再见！") == ["你好。", "再见！"]  # noqa: RUF001 - their own marks

    def test_cut_long_sentences_at_the_last_pause(self) -> None:
        assert texts("one two, three four", most=12) == ["one two,", "three four"]

    def test_cut_words_that_are_too_long(self) -> None:
        assert texts("x" * 25, most=10) == ["x" * 10, "x" * 10, "x" * 5]

    def test_leave_out_what_says_nothing(self) -> None:
        assert texts("... !! \n\n -- ") == []

    @given(text=TEXTS)
    def test_end_in_order_within_the_text_and_fit(self, text: str) -> None:
        found = utterances(text, known=None, most=20)

        ends = [utterance.end for utterance in found]
        assert ends == sorted(set(ends))
        assert all(0 < end <= len(text) for end in ends)
        assert all(len(utterance.text) <= 20 for utterance in found)

    @given(text=TEXTS)
    def test_lose_no_letter(self, text: str) -> None:
        found = utterances(text, known=None, most=20)

        spoken = "".join(utterance.text for utterance in found)
        assert [c for c in spoken if c.isalnum()] == [c for c in text if c.isalnum()]


class TestSpeakable:
    def test_lowers_and_takes_accents_off(self) -> None:
        assert speakable("Crème BRÛLÉE", LETTERS) == "creme brulee"

    def test_knows_the_apostrophe_of_typographers(self) -> None:
        assert speakable("it\u2019s", LETTERS) == "it's"

    def test_leaves_out_the_rest(self) -> None:
        assert speakable("a € 5\t\tb 🎉", LETTERS) == "a b"

    def test_raises_letters_where_a_voice_has_only_capitals(self) -> None:
        assert speakable("abc", frozenset("ABC")) == "ABC"
